"""The API as a client sees it, without a socket."""

from typing import Any

from django.test import Client as DjangoClient
from django.test import TestCase

PASSWORD = "correct horse battery"
API = "/api/v1"


class Client:
    """Calls the API in this process. Work due after a commit runs after each call, as it would."""

    def __init__(self, access_token: str | None = None, **headers: str) -> None:
        self.django = DjangoClient(raise_request_exception=False)
        self.headers = headers
        self.access_token = access_token

    def call(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        """`path` is below the API's base, or begins with `//` for the whole host."""
        path = path[1:] if path.startswith("//") else f"{API}{path}"
        headers = {k.replace("_", "-"): v for k, v in self.headers.items()}
        if self.access_token:
            headers["authorization"] = f"Bearer {self.access_token}"
        headers |= options.pop("headers", {})
        if json is not None:
            options |= {"data": json, "content_type": "application/json"}
        elif method != "get" and "data" not in options:
            options |= {"data": b"", "content_type": "application/json"}
        with TestCase.captureOnCommitCallbacks(execute=True):
            return getattr(self.django, method)(path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.call("get", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> Any:
        return self.call("post", path, json, **options)

    def put(self, path: str, json: Any = None, **options: Any) -> Any:
        return self.call("put", path, json, **options)

    def patch(self, path: str, json: Any = None, **options: Any) -> Any:
        return self.call("patch", path, json, **options)

    def delete(self, path: str, json: Any = None, **options: Any) -> Any:
        return self.call("delete", path, json, **options)

    def form(self, path: str, body: str, **options: Any) -> Any:
        kind = "application/x-www-form-urlencoded"
        return self.call("post", path, data=body, content_type=kind, **options)

    def sign_in(self, identifier: str, password: str = PASSWORD) -> dict[str, Any]:
        """Sign in and go on as that user; the token pair."""
        answer = self.post("/auth/login", {"username": identifier, "password": password})
        assert answer.status_code == 200, answer.content
        pair: dict[str, Any] = answer.json()
        self.access_token = pair["access_token"]
        return pair

    def refresh(self, refresh_token: str) -> Any:
        return self.post("/auth/refresh", {"refresh_token": refresh_token})


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The answer is a problem document with this status and code (RFC 9457); its body."""
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert isinstance(body["detail"], str)
    assert body["request_id"] == answer.headers["X-Request-ID"]
    return body
