# `make run` and `make test` are all a newcomer needs; the rest is their parts.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: run test check lock format bench

run:
	@$(PYTHON) scripts/install.py requirements.txt
	@exec $(BIN)/python manage.py quickstart

test:
	@$(PYTHON) scripts/install.py requirements-dev.txt
	@exec $(BIN)/python scripts/test.py

bench:
	@$(PYTHON) scripts/install.py requirements-dev.txt
	@$(PYTHON) scripts/install.py benchmarks/requirements.txt .venv-bench
	@exec $(BIN)/python -m benchmarks --write $(ARGS)

check:
	@$(PYTHON) scripts/install.py requirements-dev.txt
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	AUTH_DATA_DIR=$$(mktemp -d) $(BIN)/python scripts/check.py

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes requirements.in -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes requirements-dev.in -o requirements-dev.txt
