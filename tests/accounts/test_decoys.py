"""Hashes of nobody: they cost what those of accounts cost, and open nothing."""

from pathlib import Path

import pytest
from django.contrib.auth.hashers import check_password

from accounts.imported_hashes import check_stored, is_imported, stored_form
from accounts.models import User
from accounts.services.decoys import JOB, KEPT, decoy_of, sample_hashes
from security.jobs import last_result
from tests.accounts.importing import HASHED, HASHES, Import, jsonl
from tests.client import PASSWORD


@pytest.mark.parametrize("encoded", HASHES.values(), ids=HASHES.keys())
def test_a_decoy_costs_what_the_hash_costs_and_holds_nothing_of_it(encoded: str) -> None:
    stored = stored_form(encoded)
    decoy = decoy_of(stored)
    # Refused here, it would cost nothing.
    check_stored(decoy)
    assert is_imported(decoy)
    assert not check_password(HASHED, decoy)
    assert len(decoy) == len(stored)
    assert len(set(decoy.rpartition("$")[2].rstrip("="))) == 1


def test_an_import_is_looked_at_at_once(tmp_path: Path, alice: User) -> None:
    people = [{"username": f"u{n}", "password": h} for n, h in enumerate(HASHES.values())]
    Import(tmp_path, jsonl(*people))
    result = last_result(JOB)
    assert result["share"] == len(HASHES) / (len(HASHES) + 1)
    stored = User.objects.exclude(pk=alice.pk).values_list("password", flat=True)
    assert result["hashes"] == sorted(decoy_of(one) for one in stored)


def test_a_dry_run_is_not_looked_at(db: None, tmp_path: Path) -> None:
    row = {"username": "ada", "password": next(iter(HASHES.values()))}
    Import(tmp_path, jsonl(row), "--dry-run")
    assert last_result(JOB) == {}


def test_hashes_of_older_parameters_of_ours_count_too(alice: User) -> None:
    costlier = alice.password.replace("t=1", "t=2")
    assert costlier != alice.password
    User.objects.filter(pk=alice.pk).update(password=costlier)
    sample_hashes()
    assert last_result(JOB) == {"share": 1.0, "hashes": [decoy_of(costlier)]}
    assert not check_password(PASSWORD, decoy_of(costlier))


def test_only_so_many_are_kept(db: None) -> None:
    encoded = stored_form(next(iter(HASHES.values())))
    User.objects.bulk_create(
        User(username=f"u{n}", username_key=f"u{n}", password=encoded, role_id="user", tier="free")
        for n in range(2 * KEPT + 1)
    )
    sample_hashes()
    found = last_result(JOB)
    assert KEPT / 2 < len(found["hashes"]) <= KEPT
    assert found["share"] == 1.0
