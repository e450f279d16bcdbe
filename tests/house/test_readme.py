"""The README's own lines, as typed."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from authclient import InvalidToken
from tests.service import ROOT, Service

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_the_curl_lines_register_sign_in_call_refresh_and_sign_out(
    embedded_service: Service, tmp_path: Path
) -> None:
    lines = blocks("sh")[0].replace("http://localhost:8000", embedded_service.url)
    # Each line's answer on a line of its own, then the refused token's.
    script = lines.replace("\ncurl", "\necho; curl") + (
        f'echo; curl -s {embedded_service.url}/api/v1/users/me -H "Authorization: Bearer $TOKEN"'
    )
    run = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    registered, me, refreshed, left, refused = map(json.loads, filter(None, run.stdout.split("\n")))
    assert registered["status"] == "user created"
    assert me["email"] == "ada@example.com"
    assert refreshed["message"] == "Token refreshed successfully."
    assert left["status"] == "logged out"
    assert refused["code"] == "session_ended"


def test_the_snippet_verifies_a_token_in_another_service(
    embedded_service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    # The issuer is the service's public URL, whatever address it is reached at.
    issuer = f"http://localhost:{embedded_service.port}"
    snippet = blocks("python")[0].replace("http://localhost:8000", issuer)
    assert issuer in snippet
    with embedded_service.client() as client:
        user = {"email": "reader@example.com", "password": "poetical science 1843"}
        client.post("/auth/register", json=user)
        pair = client.post("/auth/login", json=user).json()
    namespace: dict[str, object] = {"token": pair["access_token"]}
    exec(snippet, namespace)
    assert capsys.readouterr().out == f"{pair['user_id']} user False\n"
    with pytest.raises(InvalidToken):
        exec(snippet, {"token": pair["refresh_token"]})


def test_every_link_leads_to_a_file() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
