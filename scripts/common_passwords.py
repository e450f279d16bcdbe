"""Makes accounts/common_passwords.bin anew; run it after an update of zxcvbn or Django.

The sources are lists that two of our pinned requirements carry, each ranked by use:

- zxcvbn 4.5.0 (MIT, https://github.com/dwolfhub/zxcvbn-python): 30,000 passwords, taken from Mark
  Burnett's ten million, and its words and names. zxcvbn lists a password that is also a word only
  among the words, so these are needed for the passwords to be complete.
- Django 5.2 (BSD-3-Clause, https://www.djangoproject.com): the 19,640 passwords of its
  CommonPasswordValidator, which Royce Williams put together. With these in the file, that
  validator has nothing to add.

What has fewer than 8 characters is left out: it is too short for any configuration.
"""

import gzip
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from django.contrib.auth import password_validation
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from accounts.common_passwords import FILE, digest

SHORTEST = 8


def django_list() -> list[str]:
    path = Path(password_validation.__file__).with_name("common-passwords.txt.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.strip() for line in file]


def common_passwords() -> set[str]:
    """Every entry of the sources that is long enough."""
    entries = {entry for words in FREQUENCY_LISTS.values() for entry in words} | {*django_list()}
    return {entry for entry in entries if len(entry) >= SHORTEST}


def filter_file() -> bytes:
    return b"".join(sorted({digest(entry) for entry in common_passwords()}))


if __name__ == "__main__":
    FILE.write_bytes(filter_file())
    print(f"{FILE.name}: {len(common_passwords()):,} entries, {FILE.stat().st_size:,} bytes")
