"""Nobody passes for somebody else by how a name or an address is written."""

from typing import Any

import pytest
from django.core.mail.message import sanitize_address
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.identifiers import normalise
from accounts.models import OutgoingMail, User
from accounts.services.mail_answers import answer_requests
from tests.accounts.mailbox import letters
from tests.client import PASSWORD, Client, assert_problem

FULL_WIDTH = "\uff41\uff44\uff4d\uff49\uff4e"
DISGUISES = {
    "full width": FULL_WIDTH,
    "upper case": "ADMIN",
    "mathematical": "\U0001d41a\U0001d41d\U0001d426\U0001d422\U0001d427",
    "circled": "\u24d0\u24d3\u24dc\u24d8\u24dd",
    "Cyrillic a": "\u0430dmin",
    "Greek omicron": "r\u03bfot",
    "zero-width space": "ad\u200bmin",
    "zero-width joiner": "ad\u200dmin",
    "soft hyphen": "ad\u00admin",
    "byte order mark": "\ufeffadmin",
    "right-to-left override": "\u202enimda",
    "right-to-left mark": "admin\u200f",
    "combining grapheme joiner": "ad\u034fmin",
    "space before": " admin",
    "no-break space after": "admin\u00a0",
    "line end": "admin\n",
    "NUL": "admin\0",
    "variation selector": "admin\ufe0f",
    "tag": "admin\U000e0061",
    "Hangul filler": "root\u3164",
    "half-width Hangul filler": "\uffa0root",
    "Hangul choseong filler": "ro\u115fot",
    "Hangul jungseong filler": "root\u1160",
    "nothing but a filler": "\u1160",
    "Telugu zeros": "r\u0c66\u0c66t",
    "Lao zeros": "r\u0ed0\u0ed0t",
    "ideographic zeros": "r\u3007\u3007t",
    "Hangul i": "adm\u3163n",
    "Katakana prolonged sound": "ro\u30fcot",
}


@pytest.fixture
def mike(make_user: Any) -> User:
    """Whose address others would like to have the mail of."""
    user: User = make_user("mike", first_name="Mike")
    User.objects.filter(pk=user.pk).update(email="mike.fisk@example.org")
    user.refresh_from_db()
    user.save()
    return user


@pytest.mark.parametrize("name", DISGUISES.values(), ids=DISGUISES.keys())
def test_no_username_looks_like_another(client: Client, make_user: Any, name: str) -> None:
    """It is refused, or the same account."""
    for taken in ("admin", "root"):
        make_user(taken)
    body = {"email": "new@example.com", "password": PASSWORD, "username": name}
    answer = client.post("/auth/register", body)
    assert answer.status_code in {409, 422}
    assert User.objects.count() == 2


@pytest.mark.parametrize(
    "name", ["adm\u0131n", "adm\u0130n", "admi\u0323n", "zo\u00eb", "\u1d00dmin"]
)
def test_letters_that_unicode_tells_apart_are_other_letters(
    client: Client, alice: User, name: str
) -> None:
    """What refusing these would cost: every name with a mark on a letter."""
    alice.username = "admin"
    alice.save()
    body = {"email": "new@example.com", "password": PASSWORD, "username": name}
    assert client.post("/auth/register", body).status_code == 201
    assert client.sign_in(name)["user_id"] != str(alice.pk)
    assert client.sign_in("admin")["user_id"] == str(alice.pk)


@pytest.mark.parametrize("name", [FULL_WIDTH, "ADMIN", " admin"])
def test_another_spelling_signs_in_to_the_same_account(client: Client, name: str) -> None:
    body = {"email": "new@example.com", "password": PASSWORD, "username": "admin"}
    made = client.post("/auth/register", body).json()["id"]
    assert client.sign_in(name)["user_id"] == made


INVISIBLE = [
    "\u202e",
    "\u2066",
    "\u200b",
    "\u200e",
    "\u00ad",
    "\ufeff",
    "\n",
    "\r",
    "\x1b",
    "\u2028",
    "\u034f",
    "\u115f",
    "\u1160",
    "\u17b4",
    "\u17b5",
    "\u2800",
    "\u3164",
    "\uffa0",
]


@pytest.mark.parametrize("character", INVISIBLE, ids=ascii)
@pytest.mark.parametrize("field", ["first_name", "last_name", "full_name"])
def test_no_persons_name_hides_characters(
    client: Client, alice: User, admin: User, field: str, character: str
) -> None:
    """Not at registration, in the profile, or by an operator; edges are trimmed."""
    name = {field: f"Al{character}ice Smith"}
    body = {"email": "new@example.com", "password": PASSWORD}
    answers = [client.post("/auth/register", body | name)]
    client.sign_in("alice")
    answers += [client.patch("/users/me", name), client.put(f"/users/{alice.pk}", name)]
    client.sign_in("root")
    answers += [client.post("/users", body | name), client.patch(f"/users/{alice.pk}", name)]
    for answer in answers:
        refusal = assert_problem(answer, 422, "validation_error")
        assert {error["field"] for error in refusal["errors"]} <= {"first_name", "last_name"}
    assert User.objects.get(pk=alice.pk).full_name == "Alice Liddell"
    assert User.objects.count() == 2


@pytest.mark.parametrize("name", ["\ufe0f", "\U000e0100 \ufe00", "\u200d", "\u180b"], ids=ascii)
def test_a_persons_name_shows_something(client: Client, name: str) -> None:
    body = {"email": "new@example.com", "password": PASSWORD, "first_name": name}
    assert_problem(client.post("/auth/register", body), 422, "validation_error")


@pytest.mark.parametrize(
    "name",
    [
        "Zo\u00eb",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "O'Brien-\u0160",
        "\u674e\u5c0f\u9f99",
        "\u845b\U000e0100\u57ce",
        "\u1781\u17c2\u1798\u179a\u17c8",
        "\uae40\ubbfc\uc900",
        "\u0928\u0940\u0932\u093e",
        "3.",
    ],
)
def test_names_of_all_the_world_are_kept_as_they_are(client: Client, name: str) -> None:
    body = {"email": "new@example.com", "password": PASSWORD, "first_name": name}
    assert client.post("/auth/register", body).json()["first_name"] == name


@pytest.mark.parametrize(
    "asked",
    [
        "m\u0131ke.fisk@example.org",
        "mike.f\u0131sk@example.org",
        "mike.\ufb01sk@example.org",
        "mi\u212ae.fisk@example.org",
        "MI\u212aE.FISK@EXAMPLE.ORG",
        "\uff4d\uff49\uff4b\uff45.fisk@example.org",
        "mike.fisk@\uff45xample.org",
        "mike.fisk@example\u3002org",
        "mike.fi\u017fk@example.org",
        "mike.fisk@ex\u0430mple.org",
        "mike.fisk\u200b@example.org",
        "mike.fisk@example.org.",
        '"mike.fisk"@example.org',
        "mike.fisk(x)@example.org",
        "Mike <mike.fisk@example.org>",
        "mike.fisk@example.org, evil@example.com",
        "mike.fisk@example.org\nBcc: evil@example.com",
        "mike.fisk@example.org\0",
        "evil@example.com,mike.fisk@example.org",
        "mike.fisk@[127.0.0.1]",
        "mike.fisk%example.org@evil.example",
    ],
    ids=ascii,
)
def test_a_collision_of_spellings_sends_no_mail_to_another_address(mike: User, asked: str) -> None:
    """What is the same after normalising goes to the address as it is stored, all else nowhere."""
    for path in ("/auth/password/forgot", "/auth/email/resend"):
        assert Client().post(path, {"email": asked}).status_code in {202, 422}
    assert {found.to for found in letters()} <= {"mike.fisk@example.org"}


@pytest.mark.parametrize("dotless", ["m\u0131ke.fisk@example.org", "mike.f\u0131sk@example.org"])
def test_a_dotless_i_is_another_letter(mike: User, dotless: str) -> None:
    Client().post("/auth/password/forgot", {"email": dotless})
    assert letters() == []


ODD = [
    "a@b",
    "@",
    "a@",
    "@b.de",
    "a@@b.de",
    "a b@c.de",
    "a@b .de",
    ".a@b.de",
    "a.@b.de",
    "a..b@c.de",
    "a@-b.de",
    "a@b-.de",
    "a@b..de",
    "a@.b.de",
    "a@b.de\r\n",
    "a\r\nBcc:x@y.de@b.de",
    "a@b.de\0",
    "a@b.de, c@d.de",
    "<a@b.de>",
    "mailto:a@b.de",
    "a@b.de?cc=c@d.de",
    "a@b.de;c@d.de",
    "a" * 65 + "@b.de",
    "a@" + "b" * 64 + ".de",
    "a@" + "b." * 130 + "de",
    "\u202ea@b.de",
    "a@\u202eb.de",
    "\ud83d\ude00@b.de".encode("utf-16", "surrogatepass").decode("utf-16"),
    '"a b"@c.de',
    '"a\\"@b.de"@c.de',
    "a@[::1]",
    "a@[IPv6:::1]",
    "a@127.0.0.1",
    "a@localhost",
    "a@xn--.de",
    "a@b.de ",
    "a+b@c.de",
    "O'Brien@c.de",
    "a@b\u00fccher.example",
]


@pytest.mark.parametrize("email", ODD, ids=ascii)
def test_an_odd_address_is_refused_or_gets_its_own_mail(
    client: Client, alice: User, email: str
) -> None:
    """Never a failure; where it is taken, messages go to what is stored, and only there."""
    answer = client.post("/auth/register", {"email": email, "password": PASSWORD})
    assert answer.status_code in {201, 422}
    for path in ("/auth/password/forgot", "/auth/email/resend"):
        assert Client().post(path, {"email": email}).status_code in {202, 422}
    client.sign_in("alice")
    changed = client.post("/auth/email/change", {"new_email": email, "password": PASSWORD})
    assert changed.status_code in {202, 422}
    answer_requests()
    recipients = set(OutgoingMail.objects.values_list("recipient", flat=True))
    if answer.status_code == 201:
        stored = answer.json()["email"]
        assert recipients == {stored}
        assert stored == email.strip()
    else:
        assert recipients == set()
        assert changed.status_code == 422


REWRITTEN = [
    "=?utf-8?q?=76ictim?=@corp.example",
    "=?iso-8859-1?q?victim?=@corp.example",
    "=?utf-8?b?dmljdGlt?=@corp.example",
    "=?utf-8?q?vic?=.tim@corp.example",
    "\uff1d?utf-8?q?victim?=@corp.example",
    '"victim"@corp.example',
    "v\u0131ctim@corp.example",
    "v\u0130ctim@corp.example",
    "victim@co\ufe00rp.example",
    "victim@co\u034frp.example",
    "victim@mail\u3002corp.example",
    "victim@stra\u00dfe.example",
    "victim@b\u00fccher.example",
    "victim@xn--\u00fc.example",
]


@pytest.mark.parametrize("email", REWRITTEN, ids=ascii)
def test_an_address_that_delivery_would_rewrite_is_422(
    operator: Client, alice: User, email: str
) -> None:
    """However many of them one mailbox had, each would be another user with a limit of its own."""
    wanted = {"email": email, "password": PASSWORD}
    anybody, user = Client(), Client()
    user.sign_in("alice")
    answers = [
        anybody.post("/auth/register", wanted),
        anybody.post("/auth/password/forgot", wanted),
        anybody.post("/auth/email/resend", wanted),
        user.post("/auth/email/change", {"new_email": email, "password": PASSWORD}),
        operator.post("/users", wanted),
        operator.patch(f"/users/{alice.pk}", {"email": email}),
    ]
    for answer in answers:
        [error] = assert_problem(answer, 422, "validation_error")["errors"]
        assert (error["field"].removeprefix("new_"), error["code"]) == ("email", "invalid")
        assert error["detail"].startswith("An e-mail address has only ASCII characters")
        assert "xn--" in error["detail"]
    assert letters() == []


@pytest.mark.parametrize("email", REWRITTEN, ids=ascii)
def test_who_has_such_an_address_already_signs_in_with_it(
    client: Client, alice: User, email: str
) -> None:
    alice.email = email
    alice.save()
    assert client.sign_in(email)["user_id"] == str(alice.pk)


PARTS = (
    *("=?utf-8?q?", "=?us-ascii?b?", "=76", "YWI=", "?=", "=", "?", '"', "\\", ".", "a", "_", "+"),
    *("'", "{", "/", " ", "(x)", "\u0131", "\u0130", "\u017f", "\u212a", "\u00e9", "\uff1f"),
    *("@", "b", "-", "xn--", "\u00df", "\u034f", "\u3002", "\ufe00", "\uff41"),
)


@settings(
    max_examples=300,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    mailbox=st.lists(st.sampled_from(PARTS), min_size=1, max_size=6),
    domain=st.lists(st.sampled_from(PARTS), max_size=3),
)
def test_what_is_accepted_is_where_the_mail_goes(
    client: Client, mailbox: list[str], domain: list[str]
) -> None:
    email = "".join([*mailbox, "@", *domain, "corp.example"])
    status = client.post("/auth/email/resend", {"email": email}).status_code
    assert status in {202, 422}
    if status == 202:
        assert sanitize_address(normalise(email), "utf-8") == normalise(email)


@pytest.mark.parametrize("other", ["alice+news@example.com", "a.lice@example.com"])
def test_plus_tags_and_dots_are_other_addresses(client: Client, alice: User, other: str) -> None:
    """Only their mail server knows whose they are, so nothing is merged."""
    body = {"email": other, "password": "another horse battery"}
    made = client.post("/auth/register", body)
    assert made.status_code == 201
    assert made.json()["email"] == other
    assert client.sign_in("alice@example.com")["user_id"] == str(alice.pk)
    Client().post("/auth/password/forgot", {"email": other})
    assert {found.to for found in letters()} == {other}
