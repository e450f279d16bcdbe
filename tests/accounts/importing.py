"""Hashes that other libraries made, and the command that takes them over."""

import io
import json
from pathlib import Path
from typing import Any

from django.core.management import CommandError, call_command

HASHED = "tapir under moons"
# By the library named, with its own defaults where they are not in the name.
HASHES = {
    "passlib 1.7.4 argon2": (
        "$argon2id$v=19$m=65536,t=3,p=4$/R9DCIEQwhijlBJijLFWKg$+Z2hNpPGiLF6/Apb8wfTPjJ0QjGb1L"
        "YDoJTVvZlOLrw"
    ),
    "argon2-cffi 25.1.0": (
        "$argon2id$v=19$m=65536,t=3,p=4$TArqLWwle5+fbWRlksb5HQ$K2CoYtoBe1BbuOP6/3ud6e1WFQveGN"
        "DLpVlYqZ5VnuE"
    ),
    "argon2-cffi 25.1.0 argon2i": (
        "$argon2i$v=19$m=4096,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$6Diu1n5CTnTng5tbtpSQZqV/kWcq974k"
        "zF8XLouaoSg"
    ),
    "passlib 1.7.4 bcrypt": "$2b$12$pf49QNzgQsZvU4sGTlmeZ.3N4jg/sNylGrRbc/Y006o6hpWhCRFwy",
    "bcrypt 4.0.1 2a": "$2a$12$WgvXKRTHyWUalwAPp.1pLOhkLTvd6PvMUhsOerLFf2v7F6SokU2dq",
    "bcrypt 4.0.1 2b": "$2b$12$YKfZ031AxODMJ3ubwZitpuvpL7REoU7Z85A8dbVzV38QrSYo6NA9y",
    "PHP's 2y": "$2y$04$s2xvyXqlLx62m2msH6rNH.v36XFX0p4L3LD5zfEjEOrMNgd0/LbH6",
    "werkzeug 3.1.9 scrypt": (
        "scrypt:32768:8:1$PUXJrWSOw1PmaTkF$06b66b96b1b033510f07461b5199ad530a2553bd832c5b2e3c"
        "33a3abea32d6e8473df09c42207e48f86796c136ee834e6d8927b941a81056569f1524dd0fe8da"
    ),
    "werkzeug 3.1.9 pbkdf2": (
        "pbkdf2:sha256:1000000$LIKp713sSucLMYPp$58ea4a90b3c35c28bea4f77c2f2fd18bdfe5a9c2d4013"
        "80e7c27d303222a1ead"
    ),
    "werkzeug 3.1.9 pbkdf2 sha512": (
        "pbkdf2:sha512:1000$tKJhSkWHcO0uUMzU$4b88b26e62e123a96aa418916b64c3e6a287c42f38104d21"
        "b67d2e6559fdbf172ba43aac3d2c809dec6a73c06e31b142d05beea3a912328025d655866a453c9f"
    ),
    "werkzeug 3.1.9 pbkdf2 sha1": (
        "pbkdf2:sha1:1000$FF3rJsFt5muiogJF$ba96d9c2c45ace6572949274ed0f3cdf256e68e2"
    ),
    "Django 5.2 pbkdf2": (
        "pbkdf2_sha256$1000000$z0zpuHkskWwqHnn3RA2rI4$HOHX6xWaaTlqRQ0PsCUh0PdhxAkrvOXIBBwzpIh5trM="
    ),
    "Django 5.2 argon2": (
        "argon2$argon2id$v=19$m=102400,t=2,p=8$N2FSTFdpTnBRTzlNMXB3bFl5MkdIeA$a8uA9ErImbRbJIm"
        "SHj+AJtNhe95Ag2DlcKj3Q/ap4Yk"
    ),
    "Django 5.2 bcrypt_sha256": (
        "bcrypt_sha256$$2b$12$3aCxUE3ASY2lem3KPBPhBe8kENdTtsA0OxSH/o8u2eiGidsr1F/p6"
    ),
    "Django 5.2 bcrypt": "bcrypt$$2b$12$wbuYlcskN.FH1vNOeEvNdebBWrSqMAb96xAWDF6aLH2XJQxqEGrd6",
    "Django 5.2 scrypt": (
        "scrypt$16384$MKw5wYTc1W3B2MIdzj4WZa$8$5$StnhOXeZTBSG1faz/aMlAWn3LvBdB3yhtk2Gt6AB/MFH"
        "lPXUbXrJTURwabhhItLVwac5ED9xjDXt1cjNVsg0+A=="
    ),
}
BCRYPT = HASHES["PHP's 2y"]


def jsonl(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


class Import:
    """One run of the command over `text`; `left` are the lines of its report."""

    def __init__(self, folder: Path, text: str | bytes, *options: str, form: str = "jsonl") -> None:
        number = len(list(folder.iterdir()))
        file, report = folder / f"users{number}.{form}", folder / f"report{number}.jsonl"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        out, err = io.StringIO(), io.StringIO()
        command = ["import_users", str(file), "--json", "--report", str(report), *options]
        self.error = ""
        try:
            call_command(*command, stdout=out, stderr=err)
        except CommandError as error:
            self.error = str(error)
        assert err.getvalue() == ""
        self.summary: dict[str, Any] = json.loads(out.getvalue() or "{}")
        self.report = report.read_text() if report.exists() else ""
        self.left = [json.loads(line) for line in self.report.splitlines()]

    @property
    def reasons(self) -> list[tuple[int, str, str]]:
        return [(left["line"], left["field"], left["code"]) for left in self.left]
