"""Fills a PostgreSQL database with users, and three sessions for each of them.

Usage: python benchmarks/seed.py [USERS]
Into the database of DATABASE_URL, which `manage.py migrate` has brought up to date. Everybody has
the password that is printed at the end.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery"
SESSIONS_EACH = 3
# As many people as there are with each rare value, whatever the number of users.
RARE = 25

# A UUIDv7 of the moment {0}: its time in the place of a random UUID's first 15 characters.
UUID7 = """overlay(gen_random_uuid()::text placing (
    SELECT substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-7'
    FROM lpad(to_hex((extract(epoch FROM {0}) * 1000)::bigint), 12, '0') AS hex
) from 1 for 15)::uuid"""

# Sign-ups over two years; nearly everybody has an address, most have a username, too. The first
# twentieth came with an import, whose people all begin alike. Rare values are spread evenly.
USERS = f"""
WITH person AS (
    SELECT n, now() - interval '730 days' * (1 - n / %(users)s::float) AS made,
        (ARRAY['Ada','Alan','Barbara','Claude','Dana','Edsger','Frances','Grace','Hedy','Ivan',
               'Jean','Ken','Leslie','Margaret','Niklaus','Ole','Peter','Radia','Sophie','Tim',
               'Ursula','Vint','Whitfield','Xia','Yukihiro'])[1 + n %% 25] AS first,
        (ARRAY['Lovelace','Turing','Liskov','Shannon','Scott','Dijkstra','Allen','Hopper','Lamarr',
               'Sutherland','Bartik','Thompson','Lamport','Hamilton','Wirth','Dahl','Naur','Perlman',
               'Wilson','Berners'])[1 + n / 25 %% 20] AS last
    FROM generate_series(1, %(users)s) AS n
), named AS (
    SELECT *, CASE
        WHEN n <= %(users)s / 20 THEN 'Import.' || n
        WHEN n %% (%(users)s / {RARE}) = 0 THEN 'Zephyr.' || n
        ELSE first || '.' || last || n END AS handle
    FROM person
), identified AS (
    SELECT *, CASE WHEN n %% 20 <> 7 THEN handle || '@Example.com' END AS email,
        CASE WHEN n %% 3 <> 1 OR n %% 20 = 7 THEN handle END AS username
    FROM named
)
INSERT INTO accounts_user (id, email, email_key, username, username_key, password, password_expired,
    first_name, last_name, role_id, tier, is_active, email_verified_at, created_at, updated_at,
    last_login)
SELECT {UUID7.format("made")}, email, lower(email), username, lower(username), %(password)s, false,
    first, last,
    CASE WHEN n %% (%(users)s / {RARE}) = 3 THEN 'admin' WHEN n %% 20 = 9 THEN 'moderator'
        WHEN n %% 5 = 3 THEN 'guest' ELSE 'user' END,
    CASE WHEN n %% (%(users)s / {RARE}) = 5 THEN 'enterprise' WHEN n / 10 %% 10 = 1 THEN 'premium'
        ELSE 'free' END,
    n %% (%(users)s / {RARE}) <> 2, CASE WHEN n %% 5 <> 0 THEN made END, made, made, now()
FROM identified ORDER BY n
"""

# Of ten sessions seven are live, two ended (by their owner) and one fell idle, all within 20 days;
# with `over`, all of them have been over for longer than any retention, half of them ended.
SESSIONS = f"""
WITH opened AS (
    SELECT u.id AS user_id, row_number() OVER (ORDER BY u.id) AS n,
        now() - interval '1 day' * (random() * 20 + %(days)s) AS made
    FROM accounts_user AS u, generate_series(1, {SESSIONS_EACH}) LIMIT %(sessions)s
), dated AS (
    SELECT *, CASE WHEN %(over)s THEN made + interval '1 hour' ELSE now() END AS seen,
        CASE WHEN %(over)s THEN n %% 2 = 0 ELSE n %% 10 IN (4, 7) END AS ended,
        n %% 10 = 1 AND NOT %(over)s AS idle
    FROM opened
)
INSERT INTO sessions_app_devicesession (id, user_id, generation, refresh_jti, refreshed_at,
    idle_expires_at, expires_at, created_at, last_seen_at, ended_at, end_reason, device, user_agent,
    ip_address, origin, amr)
SELECT {UUID7.format("made")}, user_id, 1 + n %% 400, replace(gen_random_uuid()::text, '-', ''),
    seen,
    CASE WHEN idle THEN now() - interval '1 hour' ELSE seen + interval '14 days' END,
    made + interval '90 days', made, seen, CASE WHEN ended THEN seen END,
    CASE WHEN ended THEN 'logout' ELSE '' END, 'Firefox on Linux',
    'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
    ('10.' || n %% 250 || '.' || n / 250 %% 250 || '.7')::inet,
    'Firefox on Linux 10.' || n %% 250 || '.' || n / 250 %% 250 || '.7', '["pwd"]'
FROM dated ORDER BY made
"""

# The ledger's rows for ended sessions.
OUTSTANDING = """
INSERT INTO token_blacklist_outstandingtoken (user_id, jti, token, created_at, expires_at)
SELECT user_id, refresh_jti, 'session:' || id, refreshed_at, idle_expires_at
FROM sessions_app_devicesession WHERE ended_at IS NOT NULL ON CONFLICT DO NOTHING
"""
BLACKLISTED = """
INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
SELECT id, now() FROM token_blacklist_outstandingtoken ON CONFLICT DO NOTHING
"""


def seed_users(url: str, users: int) -> None:
    """At least 100 users and their sessions."""
    with psycopg.connect(url) as database:
        database.execute(USERS, {"users": users, "password": _hash()})
    _seed_sessions(url, users * SESSIONS_EACH, over=False)


def seed_prunable(url: str, sessions: int) -> None:
    """Sessions that the next pruning deletes, of users that are there."""
    _seed_sessions(url, sessions, over=True)


def _seed_sessions(url: str, sessions: int, *, over: bool) -> None:
    values = {"sessions": sessions, "over": over, "days": 100 if over else 0}
    with psycopg.connect(url, autocommit=True) as database:
        for statement in (SESSIONS, OUTSTANDING, BLACKLISTED):
            database.execute(statement, values if statement is SESSIONS else None)
        database.execute("VACUUM ANALYZE")


def _hash() -> str:
    """The password as the service hashes it."""
    command = "from django.contrib.auth.hashers import make_password as m; print(m({!r}))"
    run = [sys.executable, "manage.py", "shell", "--no-imports", "-c", command.format(PASSWORD)]
    done = subprocess.run(run, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    started = time.monotonic()
    seed_users(os.environ["DATABASE_URL"], count)
    seconds = time.monotonic() - started
    print(f"{count:,} users and {count * SESSIONS_EACH:,} sessions in {seconds:.0f} s")
    print(f"password: {PASSWORD}")
