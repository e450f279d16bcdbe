"""A client of source 001 (`fastapi-jwt-auth`) plays its document's examples, base URL apart."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service


@pytest.fixture
def api(embedded_service: Service) -> str:
    return f"{embedded_service.url}/api/v1"


@pytest.fixture
def email(api: str) -> str:
    """A user registered as in "1. Register"."""
    email = f"user-{uuid4().hex}@example.com"
    assert register(api, email).status_code == 201
    return email


def register(api: str, email: str) -> httpx.Response:
    return httpx.post(
        f"{api}/auth/register",
        headers={"Content-Type": "application/json"},
        content=f"""{{
    "email": "{email}",
    "password": "securepassword123",
    "full_name": "John Doe"
  }}""",
    )


def log_in(api: str, email: str) -> dict[str, Any]:
    """As curl's `-d` and as URLSearchParams would send it."""
    answer = httpx.post(
        f"{api}/auth/login",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        content=f"username={email}&password=securepassword123",
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


class Axios:
    """The document's interceptor: after a 401 refresh once, then repeat the request."""

    def __init__(self, api: str, pair: dict[str, str]) -> None:
        self.api = api
        self.storage = dict(pair)
        self.refreshes = 0
        self.at_the_login_page = False

    def get(self, path: str) -> httpx.Response:
        answer = self._send(path)
        if answer.status_code != 401:
            return answer
        self.refreshes += 1
        body = {"refresh_token": self.storage["refresh_token"]}
        refreshed = httpx.post(f"{self.api}/auth/refresh", json=body)
        if refreshed.is_error:
            self.at_the_login_page = True
            return refreshed
        for name in ("access_token", "refresh_token"):
            self.storage[name] = refreshed.json()[name]
        return self._send(path)

    def _send(self, path: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.storage['access_token']}"}
        return httpx.get(self.api + path, headers=headers)


def test_register(api: str) -> None:
    email = f"user-{uuid4().hex}@example.com"
    answer = register(api, email)
    assert answer.status_code == 201
    user = answer.json()
    assert (user["email"], user["full_name"]) == (email, "John Doe")
    assert user["role"] == "user"
    assert user["is_active"]
    assert {"id", "created_at", "updated_at"} <= set(user)
    assert "securepassword123" not in answer.text


def test_registering_twice_is_409(api: str, email: str) -> None:
    answer = register(api, email)
    assert answer.status_code == 409
    assert isinstance(answer.json()["detail"], str)


def test_login_with_the_form(api: str, email: str) -> None:
    found = log_in(api, email)
    assert {"access_token", "refresh_token"} <= set(found)
    assert found["token_type"] == "bearer"


def test_login_as_the_react_example_encodes_it(api: str, email: str) -> None:
    data = {"username": email, "password": "securepassword123"}
    assert httpx.post(f"{api}/auth/login", data=data).json()["token_type"] == "bearer"


def test_authenticated_request(api: str, email: str) -> None:
    token = log_in(api, email)["access_token"]
    answer = httpx.get(f"{api}/users/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer.json()["email"] == email


def test_refresh(api: str, email: str) -> None:
    old = log_in(api, email)
    answer = httpx.post(
        f"{api}/auth/refresh",
        headers={"Content-Type": "application/json"},
        content=f'{{"refresh_token": "{old["refresh_token"]}"}}',
    )
    assert answer.status_code == 200
    new = answer.json()
    assert new["token_type"] == "bearer"
    assert new["refresh_token"] != old["refresh_token"]
    headers = {"Authorization": f"Bearer {new['access_token']}"}
    assert httpx.get(f"{api}/users/me", headers=headers).status_code == 200


def test_updating_the_own_profile(api: str, email: str) -> None:
    headers = {"Authorization": f"Bearer {log_in(api, email)['access_token']}"}
    answer = httpx.patch(f"{api}/users/me", json={"full_name": "Jane Roe"}, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["full_name"] == "Jane Roe"


def test_the_interceptor_refreshes_once_and_repeats(api: str, email: str) -> None:
    axios = Axios(api, log_in(api, email) | {"access_token": "an.expired.token"})
    assert axios.get("/users/me").json()["email"] == email
    assert axios.refreshes == 1
    assert axios.get("/users/me").status_code == 200
    assert axios.refreshes == 1
    assert not axios.at_the_login_page


def test_the_interceptor_goes_to_the_login_page_when_signed_out(api: str, email: str) -> None:
    pair = log_in(api, email)
    httpx.post(f"{api}/auth/logout", json={"refresh_token": pair["refresh_token"]})
    axios = Axios(api, pair)
    assert axios.get("/users/me").status_code == 401
    assert axios.refreshes == 1
    assert axios.at_the_login_page


def test_parallel_requests_that_all_get_401_all_succeed(api: str, email: str) -> None:
    """The document's interceptor has no lock: each request refreshes with the token it read."""
    stale = log_in(api, email) | {"access_token": "an.expired.token"}
    clients = [Axios(api, stale) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda axios: axios.get("/users/me"), clients))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len({axios.storage["refresh_token"] for axios in clients}) == 1


def test_two_tabs_that_refresh_at_once_both_go_on(api: str, email: str) -> None:
    """One cookie jar, two tabs: each sends the same cookie before it has the other's answer."""
    cookies = {"refresh_token": log_in(api, email)["refresh_token"]}
    origin = {"Origin": "http://localhost:3000"}

    def tab(_number: int) -> httpx.Response:
        with httpx.Client(cookies=cookies, headers=origin) as browser:
            return browser.post(f"{api}/auth/refresh")

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(tab, range(2)))
    assert [answer.status_code for answer in answers] == [200, 200]
    successors = {answer.cookies["refresh_token"] for answer in answers}
    assert len(successors) == 1
    for answer in answers:
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        assert httpx.get(f"{api}/users/me", headers=headers).status_code == 200
    again = httpx.post(f"{api}/auth/refresh", json={"refresh_token": successors.pop()})
    assert again.status_code == 200


def test_the_frontend_of_the_document_may_read_our_answers(api: str) -> None:
    """CORS: the document's default origins, with a preflight for the JSON and Bearer headers."""
    for origin in ("http://localhost:3000", "http://localhost:8000"):
        preflight = httpx.options(
            f"{api}/users/me",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "authorization,content-type",
            },
        )
        assert preflight.status_code == 200
        assert preflight.headers["Access-Control-Allow-Origin"] == origin
        assert "authorization" in preflight.headers["Access-Control-Allow-Headers"].lower()
    stranger = httpx.get(f"{api}/health", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in stranger.headers


def test_health_and_openapi_are_where_the_document_says(
    embedded_service: Service, api: str
) -> None:
    health = httpx.get(f"{embedded_service.url}/health").json()
    assert health["status"] in ("healthy", "degraded")
    assert health["database"] == "connected"
    assert health["version"]
    assert httpx.get(f"{api}/openapi.json").json()["openapi"].startswith("3.")
    for path in ("/docs", "/redoc"):
        assert httpx.get(embedded_service.url + path).status_code == 200


@pytest.fixture
def admin(api: str) -> dict[str, str]:
    """Headers of the first superuser."""
    answer = httpx.post(
        f"{api}/auth/login", data={"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
    )
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_the_permission_matrix_of_the_document(api: str, email: str, admin: dict[str, str]) -> None:
    pair = log_in(api, email)
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    mine = f"{api}/users/{pair['user_id']}"
    other_email = f"user-{uuid4().hex}@example.com"
    other = f"{api}/users/{register(api, other_email).json()['id']}"

    def may(method: str, url: str, **options: Any) -> bool:
        return httpx.request(method, url, headers=headers, **options).is_success

    change = {"full_name": "Jane Doe"}
    role = {"role": "admin"}
    as_user = [may("GET", f"{api}/users"), may("GET", other), may("PATCH", other, json=change)]
    assert as_user == [False, False, False]
    assert may("GET", mine)
    assert may("PATCH", mine, json=change)
    assert not may("PATCH", mine, json=role)

    promoted = httpx.patch(mine, json={"role": "moderator"}, headers=admin)
    assert promoted.json()["role"] == "moderator"
    assert may("GET", f"{api}/users")
    assert may("GET", other)
    assert not may("PATCH", other, json=change)
    assert not may("DELETE", other)

    assert httpx.patch(mine, json=role, headers=admin).status_code == 200
    assert may("PATCH", other, json=change | {"is_active": False})
    assert may("DELETE", other)
    assert not may("DELETE", mine), "nobody deletes themselves here"


def test_the_list_is_paged_and_holds_no_password(api: str, admin: dict[str, str]) -> None:
    answer = httpx.get(f"{api}/users?page_size=1", headers=admin).json()
    assert len(answer["results"]) == 1
    assert not [name for name in answer["results"][0] if "password" in name]
    assert httpx.get(answer["next"], headers=admin).status_code == 200


def test_a_deleted_user_cannot_sign_in(api: str, email: str, admin: dict[str, str]) -> None:
    pair = log_in(api, email)
    assert httpx.delete(f"{api}/users/{pair['user_id']}", headers=admin).status_code == 204
    answer = httpx.post(
        f"{api}/auth/login", data={"username": email, "password": "securepassword123"}
    )
    assert answer.status_code == 401
