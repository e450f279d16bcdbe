"""A client of source 003 (Inwren Auth) plays its document's examples, base URL apart."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import pytest

from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service


@pytest.fixture
def http(embedded_service: Service) -> Iterator[httpx.Client]:
    with embedded_service.client() as http:
        yield http


@pytest.fixture
def email(http: httpx.Client) -> str:
    email = f"user-{uuid4().hex}@example.com"
    assert register(http, email).status_code == 201
    return email


def register(http: httpx.Client, email: str) -> httpx.Response:
    body = {"email": email, "password": "securepassword123", "tier": "free"}
    return http.post("/auth/register", json=body)


def log_in(http: httpx.Client, email: str, password: str = "securepassword123") -> dict[str, Any]:
    answer = http.post("/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def bearer(http: httpx.Client, email: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {log_in(http, email)['access_token']}"}


def test_register(http: httpx.Client) -> None:
    email = f"user-{uuid4().hex}@example.com"
    answer = register(http, email)
    assert answer.status_code == 201
    user = answer.json()
    assert UUID(user["id"])
    assert (user["email"], user["tier"], user["is_active"]) == (email, "free", True)
    assert user["created_at"].endswith("Z")
    assert "hashed_password" not in user


def test_register_without_a_tier_is_free(http: httpx.Client) -> None:
    body = {"email": f"user-{uuid4().hex}@example.com", "password": "securepassword123"}
    assert http.post("/auth/register", json=body).json()["tier"] == "free"


def test_a_password_of_seven_characters_is_422(http: httpx.Client) -> None:
    body = {"email": f"user-{uuid4().hex}@example.com", "password": "seven77"}
    assert http.post("/auth/register", json=body).status_code == 422


def test_login_with_json(http: httpx.Client, email: str) -> None:
    found = log_in(http, email)
    assert {"access_token", "refresh_token"} <= set(found)
    assert found["token_type"] == "bearer"


def test_login_with_the_oauth2_form(http: httpx.Client, email: str) -> None:
    form = {
        "grant_type": "password",
        "username": email,
        "password": "securepassword123",
        "scope": "",
        "client_id": "",
        "client_secret": "",
    }
    answer = http.post("/auth/access-token", data=form)
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "bearer"


def test_the_token_verifies_with_the_public_key_alone(
    http: httpx.Client, embedded_service: Service, email: str
) -> None:
    token = log_in(http, email)["access_token"]
    header = json.loads(urlsafe_b64decode(token.split(".")[0] + "=="))
    assert header["alg"] == "RS256"
    keys = httpx.get(f"{embedded_service.url}/.well-known/jwks.json").json()["keys"]
    (key,) = [key for key in keys if key["kid"] == header["kid"]]
    issuer = httpx.get(f"{embedded_service.url}/.well-known/openid-configuration").json()["issuer"]
    claims = jwt.decode(
        token, jwt.PyJWK(key).key, algorithms=["RS256"], audience="api", issuer=issuer
    )
    assert UUID(claims["sub"])
    assert claims["tier"] == "free"
    assert claims["exp"] > claims["iat"]


def test_refresh_rotates(http: httpx.Client, email: str) -> None:
    old = log_in(http, email)
    answer = http.post("/auth/refresh", json={"refresh_token": old["refresh_token"]})
    assert answer.status_code == 200
    new = answer.json()
    assert {"access_token", "refresh_token"} <= set(new)
    assert new["token_type"] == "bearer"
    assert new["refresh_token"] != old["refresh_token"]


def test_a_token_older_than_the_predecessor_is_a_reuse(http: httpx.Client, email: str) -> None:
    tokens = [log_in(http, email)["refresh_token"]]
    for _ in range(2):
        answer = http.post("/auth/refresh", json={"refresh_token": tokens[-1]})
        tokens.append(answer.json()["refresh_token"])
    assert http.post("/auth/refresh", json={"refresh_token": tokens[0]}).status_code == 401
    assert http.post("/auth/refresh", json={"refresh_token": tokens[-1]}).status_code == 401


def test_profile(http: httpx.Client, email: str, bearer: dict[str, str]) -> None:
    answer = http.get("/users/me", headers=bearer)
    assert answer.status_code == 200
    assert {"id", "email", "tier", "is_active", "created_at"} <= set(answer.json())
    assert answer.json()["email"] == email


def test_updating_the_profile(http: httpx.Client, bearer: dict[str, str]) -> None:
    answer = http.put("/users/me", json={"first_name": "Ada"}, headers=bearer)
    assert answer.status_code == 200
    assert answer.json()["first_name"] == "Ada"


def test_nobody_gives_themselves_a_tier(http: httpx.Client, bearer: dict[str, str]) -> None:
    answer = http.put("/users/me", json={"tier": "premium"}, headers=bearer)
    assert answer.status_code == 403
    assert http.get("/users/me", headers=bearer).json()["tier"] == "free"


def test_changing_the_password(http: httpx.Client, email: str, bearer: dict[str, str]) -> None:
    wrong = {"current_password": "not the password", "new_password": "anotherpassword456"}
    assert http.post("/users/me/password", json=wrong, headers=bearer).status_code == 422
    right = {"current_password": "securepassword123", "new_password": "anotherpassword456"}
    assert http.post("/users/me/password", json=right, headers=bearer).status_code == 200
    assert log_in(http, email, "anotherpassword456")["token_type"] == "bearer"
    old = {"email": email, "password": "securepassword123"}
    assert http.post("/auth/login", json=old).status_code == 401


def test_deactivating_the_account(http: httpx.Client, email: str, bearer: dict[str, str]) -> None:
    assert http.delete("/users/me", headers=bearer).status_code == 204
    assert http.get("/users/me", headers=bearer).status_code == 401
    body = {"email": email, "password": "securepassword123"}
    assert http.post("/auth/login", json=body).status_code == 403
    assert register(http, email).status_code == 409


def test_root_and_health_answer(embedded_service: Service) -> None:
    for path in ("/", "/health", "/docs", "/redoc"):
        assert httpx.get(embedded_service.url + path).status_code == 200


@pytest.fixture
def superuser(http: httpx.Client) -> dict[str, str]:
    return {"Authorization": f"Bearer {log_in(http, ADMIN_EMAIL, ADMIN_PASSWORD)['access_token']}"}


def test_the_admin_endpoints(
    http: httpx.Client, email: str, bearer: dict[str, str], superuser: dict[str, str]
) -> None:
    user = http.get("/users/me", headers=bearer).json()
    path = f"/admin/users/{user['id']}"
    listed = http.get("/admin/users", headers=superuser).json()["results"]
    assert user["id"] in [one["id"] for one in listed]
    assert http.get(path, headers=superuser).json() == user

    answer = http.put(path, json={"tier": "premium"}, headers=superuser)
    assert answer.json()["tier"] == "premium"
    token = log_in(http, email)["access_token"]
    assert jwt.decode(token, options={"verify_signature": False})["tier"] == "premium"
    assert http.put(path, json={"is_superuser": True}, headers=superuser).json()["is_superuser"]
    assert http.get("/admin/users", headers=bearer).status_code == 200
    assert http.put(path, json={"is_superuser": False}, headers=superuser).status_code == 200
    assert http.get("/admin/users", headers=bearer).status_code == 403

    inactive = http.put(path, json={"is_active": False}, headers=superuser)
    assert inactive.json()["is_active"] is False
    assert http.get("/users/me", headers=bearer).status_code == 401
    assert http.delete(path, headers=superuser).status_code == 204
    assert http.get(path, headers=superuser).status_code == 404
    assert register(http, email).status_code == 201
