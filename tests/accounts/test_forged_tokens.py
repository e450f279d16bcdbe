"""No bent token is taken, wherever it is shown, and none harms the genuine one."""

import json
import socket
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings

from accounts.models import User
from authclient import InvalidToken, Verifier
from security.keyring import keyring
from security.models import SigningKey
from sessions_app.models import DeviceSession
from tests.accounts.forging import Forge, decode, encode
from tests.authclient.issuing import Issuer, running_issuer
from tests.client import Client, assert_problem

Forgery = Callable[[Forge], str]
KINDS = ("access", "refresh")
# The order of the group of P-256.
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Target:
    """A signed-in client and one of its two tokens.

    What the service refuses, the verifier of another service refuses too.
    """

    def __init__(self, client: Client, kind: str, verifier: Verifier | None = None) -> None:
        self.client = client
        self.kind = kind
        self.verifier = verifier
        self.pair = client.sign_in("alice")
        self.forge = Forge(self.pair[f"{kind}_token"])

    def present(self, token: Any) -> Any:
        """Use the token where its kind belongs."""
        if self.kind == "refresh":
            return self.client.refresh(token)
        return self.client.get("/users/me", headers={"authorization": f"Bearer {token}"})

    def log_out(self, token: Any) -> Any:
        if self.kind == "refresh":
            body, headers = {"refresh_token": token}, {"authorization": ""}
        else:
            body, headers = {}, {"authorization": f"Bearer {token}"}
        self.client.django.cookies.clear()
        return self.client.post("/auth/logout", body, headers=headers)

    def refuses(self, token: Any) -> None:
        assert token != self.forge.genuine
        assert_problem(self.present(token), 401, "token_invalid")
        assert self.verifier is not None
        if token != self.pair["access_token"]:  # Which is good there, if not for a refresh.
            with pytest.raises(InvalidToken):
                self.verifier.verify(token)
        assert self.log_out(token).status_code == 200
        assert DeviceSession.objects.get().ended_at is None

    def takes_the_genuine_one(self) -> None:
        assert self.present(self.forge.genuine).status_code == 200
        assert self.client.get("/users/me").status_code == 200
        assert self.verifier is not None
        claims = self.verifier.verify(self.pair["access_token"])
        assert str(claims.session_id) == self.pair["session_id"]


@pytest.fixture(scope="module")
def key_server() -> Iterator[Issuer]:
    """Another service fetches our keys here."""
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture(params=KINDS)
def target(
    request: pytest.FixtureRequest, client: Client, alice: User, key_server: Issuer
) -> Iterator[Target]:
    """Whatever the test does to a copy, the token itself goes on working."""
    key_server.body = client.get("//.well-known/jwks.json").content
    verifier = Verifier(settings.AUTH_ISSUER, settings.AUTH_AUDIENCE, jwks_uri=key_server.jwks_uri)
    target = Target(client, request.param, verifier)
    yield target
    target.takes_the_genuine_one()


# --- alg (S2-01 to S2-05, J-01 to J-03)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "none ", "", None])
def test_an_unsigned_token_is_refused(target: Target, algorithm: str | None) -> None:
    forge = target.forge
    unsigned = forge.token(forge.header | {"alg": algorithm}, sign=lambda _: b"")
    for signature in ("", forge.segments[2], "AA"):
        target.refuses(unsigned + signature)
    target.refuses(unsigned.rstrip("."))


def public_key_texts() -> dict[str, bytes]:
    """Our public key in every form that a careless verifier could take for an HMAC secret."""
    private = keyring.signing_pair().private_key
    public = private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, public, 1, today, today + timedelta(days=1))
        .sign(private, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    jwk = dict(SigningKey.objects.get(state="current").public_jwk)
    return {
        "SPKI": pem,
        "without final newline": pem.rstrip(b"\n"),
        "with two newlines": pem + b"\n",
        "leading space": b" " + pem,
        "leading newline": b"\n" + pem,
        "BOM": b"\xef\xbb\xbf" + pem,
        "CRLF": pem.replace(b"\n", b"\r\n"),
        "PKCS1": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "PKCS1 DER": public.public_bytes(Encoding.DER, PublicFormat.PKCS1),
        "DER": der,
        "base64 DER": b64encode(der),
        "base64url DER": urlsafe_b64encode(der),
        "JWK": json.dumps(jwk).encode(),
        "compact JWK": json.dumps(jwk, separators=(",", ":")).encode(),
        "JWKS": json.dumps({"keys": [jwk]}).encode(),
        "SSH": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "modulus": jwk["n"].encode(),
        "x5c": b64encode(certificate),
        "certificate": certificate,
        "kid": jwk["kid"].encode(),
    }


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_our_public_key_is_no_hmac_secret(target: Target, algorithm: str) -> None:
    for text in public_key_texts().values():
        target.refuses(target.forge.hmac(algorithm, text))


@pytest.mark.parametrize("secret", ["", " ", "\0", "null", "secret", "SECRET_KEY"])
def test_no_shared_secret_signs(target: Target, secret: str) -> None:
    secret = settings.SECRET_KEY if secret == "SECRET_KEY" else secret
    target.refuses(target.forge.hmac("HS256", secret.encode()))


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS384", "PS512"])
def test_one_key_has_one_algorithm(target: Target, algorithm: str) -> None:
    """Validly signed by the key it names, with another algorithm of that kind of key."""
    forge = target.forge
    target.refuses(forge.token(forge.header | {"alg": algorithm}, sign=forge.signs(algorithm)))
    target.refuses(forge.token(sign=forge.signs(algorithm)))


ALGORITHMS = ("rs256", "Rs256", "RS256 ", "RS256\0", "ES256", "EdDSA", "HS256", "RS384", "PS256")


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, None, 5, True, [], ["RS256"], {"RS256": 1}])
def test_the_header_names_no_other_algorithm(target: Target, algorithm: Any) -> None:
    target.refuses(target.forge.with_header(alg=algorithm))


@pytest.mark.parametrize("name", ["alg", "kid", "typ"])
def test_every_header_member_is_needed(target: Target, name: str) -> None:
    target.refuses(target.forge.without_header(name))


def test_the_signature_counts(target: Target) -> None:
    forge = target.forge
    head, payload, signature = forge.segments
    target.refuses(f"{head}.{payload}.{'A' * len(signature)}")
    target.refuses(f"{head}.{encode(forge.claims | {'role': 'admin', 'gen': 9})}.{signature}")
    raw = decode(signature)
    for place in range(0, len(raw), 37):
        altered = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        target.refuses(f"{head}.{payload}.{encode(altered)}")
    for other in (raw[:-1], raw + b"\0", b"\0" + raw, raw + raw):
        target.refuses(f"{head}.{payload}.{encode(other)}")


# --- kid and keys that the token brings along (S2-07 to S2-10, J-12)

KIDS = (
    "../../dev/null",
    "/dev/null",
    "file:///dev/null",
    "http://127.0.0.1/jwks.json",
    "' UNION SELECT 'x",
    "' OR '1'='1",
    "|sleep 5",
    "$(sleep 5)",
    "\0",
    "",
    " ",
    "\ud800",
    "ключ",
    "x" * 65,
    "x" * 5000,
    "x" * 100_000,
    5,
    5.5,
    True,
    None,
    [],
    ["x"],
    {},
)


@pytest.mark.parametrize("kid", KIDS, ids=lambda kid: repr(kid)[:20])
def test_a_kid_is_only_looked_up(target: Target, kid: Any) -> None:
    forge = target.forge
    target.refuses(forge.with_header(kid=kid))
    target.refuses(
        Forge.hmac(forge, "HS256", b"")
        if kid is None
        else forge.token(forge.header | {"kid": kid, "alg": "none"}, sign=lambda _: b"x")
    )


def test_a_kid_is_spelled_exactly(target: Target) -> None:
    kid = target.forge.header["kid"]
    for other in (f"{kid} ", f" {kid}", f"{kid}\0", f"{kid}\n", kid.swapcase(), kid[:-1], [kid]):
        target.refuses(target.forge.with_header(kid=other))


def test_a_token_names_the_key_that_signed_it(target: Target) -> None:
    target.refuses(target.forge.with_header(kid=SigningKey.objects.get(state="next").kid))


def test_a_thousand_unknown_kids_cost_no_query_each(target: Target) -> None:
    target.present(target.forge.with_header(kid="unknown"))
    forged = [f"{encode(target.forge.header | {'kid': uuid4().hex})}.e30.AAAA" for _ in range(1000)]
    with CaptureQueriesContext(connection) as queries:
        for token in forged:
            assert target.present(token).status_code == 401
    assert len(queries) < 100


@pytest.mark.parametrize("kid", ["known", "unknown", "absent"])
def test_a_key_in_the_header_is_not_trusted(target: Target, kid: str) -> None:
    forge = target.forge
    own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    numbers = own.public_key().public_numbers()
    jwk = {
        "kty": "RSA",
        "n": encode(numbers.n.to_bytes(256)),
        "e": "AQAB",
        "alg": "RS256",
        "use": "sig",
        "kid": "mine",
    }
    header = forge.header | {"jwk": jwk, "kid": "mine"}
    if kid == "known":
        header["kid"] = forge.header["kid"]
    elif kid == "absent":
        del header["kid"]
    target.refuses(forge.token(header, sign=forge.signs("RS256", own)))
    target.refuses(forge.token(forge.header, sign=forge.signs("RS256", own)))


@pytest.mark.parametrize("name", ["jku", "x5u", "iss", "jwks_uri"])
def test_nothing_that_a_token_names_is_fetched(target: Target, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        for url in (f"http://{host}/jwks.json", f"http://testserver@{host}/", f"//{host}/x"):
            target.refuses(target.forge.with_header(**{name: url}))
            target.refuses(target.forge.with_header(**{name: url}, kid="unknown"))
        with pytest.raises(BlockingIOError):
            listener.accept()


# --- Header members we do not know (S2-11, S2-12, S2-28, J-08, J-13)

EXTRAS: tuple[dict[str, Any], ...] = (
    {"crit": ["x"], "x": 1},
    {"crit": ["x"]},
    {"crit": []},
    {"crit": "exp"},
    {"crit": ["exp"], "exp": 1},
    {"crit": None},
    {"b64": False},
    {"b64": False, "crit": ["b64"]},
    {"b64": True},
    {"zip": "DEF"},
    {"cty": "JWT"},
    {"x5c": ["AAAA"]},
    {"x5t": "AAAA"},
    {"jwk": None},
    {"p2c": 2**31, "p2s": "AAAA"},
    {"enc": "A128GCM"},
    {"nonce": "x"},
)


@pytest.mark.parametrize("members", EXTRAS, ids=json.dumps)
def test_a_header_with_more_in_it_is_refused(target: Target, members: dict[str, Any]) -> None:
    target.refuses(target.forge.with_header(**members))


TYPES = ("JWT", "logout+jwt", "dpop+jwt", "jwt", "", "application/at+jwt", "secevent+jwt")


@pytest.mark.parametrize("typ", [*TYPES, None, 5, ["at+jwt"]])
def test_another_kind_of_token_is_refused(target: Target, typ: Any) -> None:
    target.refuses(target.forge.with_header(typ=typ))


def test_a_token_of_one_kind_is_never_the_other(target: Target) -> None:
    """With the header of the other kind, with its claims, and whole (S2-14, J-14)."""
    other = Forge(target.pair["access_token" if target.kind == "refresh" else "refresh_token"])
    target.refuses(other.genuine)
    target.refuses(target.forge.token(claims=other.claims))
    target.refuses(target.forge.token(header=other.header))
    target.refuses(target.forge.with_claims(token_type=other.claims["token_type"]))
    target.refuses(target.forge.with_claims(aud=other.claims["aud"]))


# --- Claims (S2-15 to S2-17, S2-20, J-10, J-11)

NO_TIMES = (
    "null", "[]", "{}", '"x"', '"9999999999"', "1e400", "-1e400", "NaN", "Infinity", "-Infinity",
    "true", "false", "1.5", "4102444800.0", "-1", "9007199254740992", "1" + "0" * 400,
)  # fmt: skip


@pytest.mark.parametrize("raw", NO_TIMES, ids=lambda raw: raw[:20])
@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
def test_a_time_is_a_whole_number(target: Target, name: str, raw: str) -> None:
    target.refuses(target.forge.with_raw_claim(name, raw))


@pytest.mark.parametrize("raw", ["null", "[]", "{}", '"1"', "true", "1.0", "1e400", "NaN", "-1"])
def test_the_other_numbers_are_whole_too(target: Target, raw: str) -> None:
    name = "gen" if target.kind == "refresh" else "auth_time"
    target.refuses(target.forge.with_raw_claim(name, raw))


def test_a_token_from_the_future_is_refused(target: Target) -> None:
    soon = int(datetime.now(UTC).timestamp()) + 600
    target.refuses(target.forge.with_claims(iat=soon))
    target.refuses(target.forge.with_claims(nbf=soon))


def test_every_claim_is_needed(target: Target) -> None:
    assert len(target.forge.claims) >= 9
    for name in target.forge.claims:
        target.refuses(target.forge.without_claim(name))


IDS = ("", "x", "admin", 5, True, None, [], {}, ["x"], {"$ne": None}, "' OR 1=1 --", "\0")


@pytest.mark.parametrize("value", IDS, ids=repr)
@pytest.mark.parametrize("name", ["sub", "sid"])
def test_an_id_is_a_uuid(target: Target, name: str, value: Any) -> None:
    target.refuses(target.forge.with_claims(**{name: value}))


@pytest.mark.parametrize("name", ["sub", "sid"])
def test_an_id_has_one_spelling(target: Target, name: str) -> None:
    plain = target.forge.claims[name]
    for other in (plain.upper(), plain.replace("-", ""), f"{{{plain}}}", f"urn:uuid:{plain}"):
        target.refuses(target.forge.with_claims(**{name: other}))
    target.refuses(target.forge.with_claims(**{name: [plain]}))


@pytest.mark.parametrize("value", [5, None, [], {}, True], ids=repr)
def test_a_jti_is_text(target: Target, value: Any) -> None:
    target.refuses(target.forge.with_claims(jti=value))


def test_the_issuer_matches_whole(target: Target) -> None:
    ours = target.forge.claims["iss"]
    bent: list[Any] = [ours[:-1], ours[1:], f"{ours}/", f"{ours} ", f"{ours}.evil.example"]
    for other in [*bent, ours.upper(), "https://evil.example", "", [ours], {"iss": ours}, None, 5]:
        target.refuses(target.forge.with_claims(iss=other))


def test_the_audience_matches_whole(target: Target) -> None:
    ours = target.forge.claims["aud"]
    bent: list[Any] = [ours[:-1], ours[1:], f"{ours}/", f"{ours} ", ours.upper(), "", "*"]
    for other in [*bent, [ours], [*ours], [ours, "x"], [], {ours: 1}, None, 5, True]:
        target.refuses(target.forge.with_claims(aud=other))


@pytest.mark.parametrize("value", ["", "x", "Access", "sliding", None, 5, ["access"]], ids=repr)
def test_the_token_type_matches(target: Target, value: Any) -> None:
    target.refuses(target.forge.with_claims(token_type=value))


@pytest.mark.parametrize(
    ("name", "raw"),
    [("alg", '"none"'), ("kid", '"x"'), ("typ", '"JWT"'), ("kid", "null")],
)
def test_a_header_member_named_twice_has_its_last_value(
    target: Target, name: str, raw: str
) -> None:
    text = json.dumps(target.forge.header)
    target.refuses(target.forge.token(f'{text[:-1]}, "{name}": {raw}}}'))


@pytest.mark.parametrize(
    ("name", "raw"), [("iss", '"x"'), ("aud", '"x"'), ("exp", "null"), ("sub", '"x"')]
)
def test_a_claim_named_twice_has_its_last_value(target: Target, name: str, raw: str) -> None:
    text = json.dumps(target.forge.claims)
    target.refuses(target.forge.token(claims=f'{text[:-1]}, "{name}": {raw}}}'))


@pytest.mark.parametrize("claims", ["[]", "null", "5", '"x"', "", "{", "{}", "{'a': 1}", "\0"])
def test_claims_are_an_object(target: Target, claims: str) -> None:
    target.refuses(target.forge.token(claims=claims))


@pytest.mark.parametrize("header", ["[]", "null", "5", '"x"', "{", "{}", "\0", "alg"])
def test_a_header_is_an_object(target: Target, header: str) -> None:
    target.refuses(target.forge.token(header))


# --- Sizes and depths (S2-18, S2-19)


@pytest.mark.parametrize("depth", [1000, 2900, 100_000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_deep_nesting_is_refused(target: Target, depth: int, brackets: str) -> None:
    opening, closing = ("[", "]") if brackets == "[]" else ('{"":', "}")
    nested = opening * depth + "1" + closing * depth
    target.refuses(target.forge.token(nested))
    target.refuses(target.forge.token(claims=nested))
    target.refuses(target.forge.token(f'{{"alg":"RS256","kid":{nested},"typ":"x"}}'))
    target.refuses(target.forge.with_raw_claim("exp", nested))


@pytest.mark.parametrize("size", [8_192, 65_536, 600_000])
def test_a_huge_token_is_refused(target: Target, size: int) -> None:
    """Even a validly signed one, and whichever part is huge."""
    target.refuses(target.forge.with_claims(filling="x" * size))
    target.refuses(target.forge.genuine + "A" * size)
    target.refuses("A" * size)
    target.refuses("." * size)
    target.refuses(f"{'A' * size}.{'A' * size}.A"[:600_000])


def test_a_token_of_2_megabytes_is_too_large_a_body(target: Target) -> None:
    body = {"refresh_token": "A" * 2_400_000}
    assert_problem(target.client.post("/auth/refresh", body), 413, "body_too_large")
    assert_problem(target.client.post("/auth/logout", body), 413, "body_too_large")


# --- Spellings (S2-13, J-05, J-09, J-16)


def spellings(forge: Forge) -> list[str]:
    """Other texts that a lenient decoder reads as the same token."""
    head, payload, signature = forge.segments
    token = forge.genuine
    return [
        *(
            f"{token}{tail}"
            for tail in ("=", "==", "===", "\n", "\r\n", " ", "\t", ".", "\0", "%3D")
        ),
        *(f"{lead}{token}" for lead in (" ", "\n", ".", "=", "\ufeff", "Bearer ")),
        *(forge.respelled(index) for index in range(3)),
        f"{head}=.{payload}.{signature}",
        f"{head}.{payload}=.{signature}",
        f"{head}.{payload}==.{signature}==",
        f"{head}.{payload[:8]}\n{payload[8:]}.{signature}",
        f"{head}.{payload[:8]}!{payload[8:]}.{signature}",
        f"{head}.{payload}.{signature[:8]} {signature[8:]}",
        f"{head} . {payload} . {signature}",
        f"{head}..{payload}.{signature}",
        f"{head}.{payload}",
        f"{head}..{signature}",
        f"{token}.{signature}",
        f'"{token}"',
        token.replace(".", "\uff0e"),
        token.replace("e", "\uff45", 1),
        f"{head}.{payload}.{b64encode(decode(signature)).decode()}",
    ]


def test_a_token_has_one_spelling(target: Target) -> None:
    for token in spellings(target.forge):
        if token != target.forge.genuine:
            target.refuses(token)


@pytest.mark.parametrize("kind", KINDS)
def test_no_spelling_revives_a_token_after_the_logout(
    client: Client, alice: User, kind: str
) -> None:
    target = Target(client, kind)
    assert target.log_out(target.forge.genuine).status_code == 200
    assert_problem(target.present(target.forge.genuine), 401, "session_ended")
    for token in spellings(target.forge):
        assert target.present(token).status_code == 401


UTF = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-8-sig")


@pytest.mark.parametrize("encoding", UTF)
def test_a_token_is_utf_8(target: Target, encoding: str) -> None:
    forge = target.forge
    target.refuses(forge.token(json.dumps(forge.header).encode(encoding)))
    target.refuses(forge.token(claims=json.dumps(forge.claims).encode(encoding)))
    broken = json.dumps(forge.claims | {"x": "\u00e9"}, ensure_ascii=False)
    target.refuses(forge.token(claims=broken.encode("latin-1")))


def test_json_serialisation_is_refused(target: Target) -> None:
    protected, payload, signature = target.forge.segments
    flat = {"protected": protected, "payload": payload, "signature": signature}
    general = {"payload": payload, "signatures": [{"protected": protected, "signature": signature}]}
    for form in (flat, general):
        target.refuses(json.dumps(form, separators=(",", ":")))
        target.refuses(encode(form))
        if target.kind == "refresh":
            target.refuses(form)
            target.refuses([target.forge.genuine])


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "RSA-OAEP", "enc": "A128GCM"},
        {"alg": "dir", "enc": "A128CBC-HS256", "zip": "DEF"},
        {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2**31, "p2s": "AAAA"},
    ],
    ids=lambda header: header["alg"],
)
def test_an_encrypted_token_is_refused(target: Target, header: dict[str, Any]) -> None:
    head = encode(header | {"kid": target.forge.header["kid"], "cty": "JWT"})
    inner = encode(target.forge.genuine)
    target.refuses(f"{head}.AAAA.AAAA.{inner}.AAAA")
    target.refuses(f"{head}..AAAA.{inner}.AAAA")
    target.refuses(f"{head}.{inner}.AAAA")


def test_a_token_in_a_token_is_refused(target: Target) -> None:
    target.refuses(target.forge.token(claims=target.forge.genuine))
    target.refuses(target.forge.token(target.forge.header | {"cty": "JWT"}, target.forge.genuine))


# --- Elliptic curves (S2-06, S2-13)


@pytest.fixture
def es256(db: None) -> Iterator[None]:
    SigningKey.objects.all().delete()
    with override_settings(AUTH_SIGNING_ALGORITHM="ES256"):
        call_command("ensure_keys", verbosity=0)
    yield
    keyring.forget()


def test_special_es256_signatures_are_refused(es256: None, target: Target) -> None:
    assert target.forge.header["alg"] == "ES256"
    n = P256_ORDER
    genuine = decode(target.forge.segments[2])
    r, s = int.from_bytes(genuine[:32]), int.from_bytes(genuine[32:])
    pairs = [(0, 0), (0, s), (r, 0), (n, s), (r, n), (n, n), (1, 1), (n - 1, n - 1), (s, r)]
    head, payload, _ = target.forge.segments
    for one, two in pairs:
        signature = encode(one.to_bytes(32) + two.to_bytes(32))
        target.refuses(f"{head}.{payload}.{signature}")
    der = ec.ECDSA(hashes.SHA256())
    signed = target.forge.key.sign(f"{head}.{payload}".encode(), der)
    assert decode_dss_signature(signed)
    for other in (b"", genuine[:63], genuine + b"\0", b"\0" + genuine, signed):
        target.refuses(f"{head}.{payload}.{encode(other)}")


def test_a_signature_has_one_spelling(es256: None, target: Target) -> None:
    """64 bytes leave four spare bits in the last character; the 384 of our RSA keys leave none."""
    respelled = target.forge.respelled(2)
    assert not respelled.endswith("=")
    target.refuses(respelled)


def mirrored(token: str) -> str:
    """The other valid signature of the same text: (r, n - s)."""
    head, payload, signature = token.split(".")
    raw = decode(signature)
    s = P256_ORDER - int.from_bytes(raw[32:])
    return f"{head}.{payload}.{encode(raw[:32] + s.to_bytes(32))}"


def test_the_mirrored_signature_ends_with_the_session(
    es256: None, client: Client, alice: User
) -> None:
    for kind in KINDS:
        target = Target(client, kind)
        twin = mirrored(target.forge.genuine)
        assert target.log_out(target.forge.genuine).status_code == 200
        assert_problem(target.present(twin), 401, "session_ended")


def test_the_mirrored_refresh_token_is_the_same_token(
    es256: None, client: Client, alice: User
) -> None:
    """It can't be spent beside its twin, and its reuse is noticed."""
    spent = client.sign_in("alice")["refresh_token"]
    successor = client.refresh(spent).json()["refresh_token"]
    last = client.refresh(successor).json()["refresh_token"]
    assert_problem(client.refresh(mirrored(spent)), 401, "session_ended")
    assert_problem(client.refresh(last), 401, "session_ended")
    assert DeviceSession.objects.get().end_reason == "refresh_reused"


# --- Keys that may not verify (S2-27), and validly signed lies


@pytest.mark.parametrize("changes", [{"use": "enc"}, {"alg": "RS512"}, {"use": None}], ids=repr)
def test_a_key_for_something_else_verifies_nothing(
    client: Client, alice: User, changes: dict[str, Any]
) -> None:
    pair = client.sign_in("alice")
    key = SigningKey.objects.get(state="current")
    genuine = dict(key.public_jwk)
    key.public_jwk = genuine | changes
    key.save()
    keyring.forget()
    assert_problem(client.get("/users/me"), 401, "token_invalid")
    assert_problem(client.refresh(pair["refresh_token"]), 401, "token_invalid")
    key.public_jwk = genuine
    key.save()
    keyring.forget()
    assert client.get("/users/me").status_code == 200


def test_a_session_belongs_to_its_user(target: Target, bob: User) -> None:
    """Signed by the real key: the session decides whose token it is, not the token."""
    lie = target.forge.with_claims(sub=str(bob.pk))
    assert_problem(target.present(lie), 401, "session_ended")


def test_an_unknown_session_is_over(target: Target) -> None:
    lie = target.forge.with_claims(sid=str(uuid4()))
    assert_problem(target.present(lie), 401, "session_ended")


def test_what_a_token_says_of_its_bearers_rights_is_not_believed(target: Target) -> None:
    if target.kind == "access":
        lie = target.forge.with_claims(role="admin", tier="enterprise", scope="accounts.view_user")
        me = target.present(lie).json()
        assert (me["role"], me["tier"], me["is_admin"]) == ("user", "free", False)
