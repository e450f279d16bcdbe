"""The FastAPI dependency and the DRF classes, against a local issuer."""

from typing import Annotated, Any

import pytest
from django.test import RequestFactory, override_settings
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from rest_framework.response import Response
from rest_framework.views import APIView

from authclient import Claims, Verifier
from authclient.drf import BearerAuthentication, HasRole, HasScope, TokenUser
from authclient.fastapi import bearer, require_permission, require_role
from tests.authclient.issuing import AUDIENCE, Issuer

BENT = ["Bearer", "Bearer ", "Bearer  {}", "Bearer {} ", "Bearer {} x", "Bearer {},{}", "Bearer é"]
NO_BEARER = [None, "", "Basic eDp5", "{}", "Token {}", "Bearer\t{}"]


class Service:
    """The same four routes in both frameworks."""

    def __init__(self, kind: str, issuer: Issuer) -> None:
        self.kind = kind
        self.fastapi = TestClient(fastapi_app(Verifier(issuer.url, AUDIENCE)))
        self.issuer = issuer

    def get(self, path: str, authorization: str | None) -> tuple[int, dict[str, str]]:
        """The status and the headers, in lower case."""
        # As the servers hand it over: bytes read as Latin-1.
        sent = None if authorization is None else authorization.encode("latin-1", "replace")
        if self.kind == "fastapi":
            headers = {} if sent is None else {b"Authorization": sent}
            answer: Any = self.fastapi.get(path, headers=headers)
        else:
            extra = {} if sent is None else {"HTTP_AUTHORIZATION": sent.decode("latin-1")}
            with override_settings(AUTHCLIENT_ISSUER=self.issuer.url, AUTHCLIENT_AUDIENCE=AUDIENCE):
                answer = DRF_VIEWS[path](RequestFactory().get(path, **extra))
        return answer.status_code, {k.lower(): v for k, v in answer.headers.items()}


def fastapi_app(verifier: Verifier) -> FastAPI:
    app = FastAPI()
    current = bearer(verifier)

    def show(claims: Claims) -> str:
        return str(claims.user_id)

    @app.get("/any")
    def anybody(claims: Annotated[Claims, Depends(current)]) -> str:
        return show(claims)

    @app.get("/role")
    def role(claims: Annotated[Claims, Depends(require_role(current, "admin", "owner"))]) -> str:
        return show(claims)

    @app.get("/permission")
    def permission(
        claims: Annotated[Claims, Depends(require_permission(current, "accounts.add_user"))],
    ) -> str:
        return show(claims)

    return app


def drf_view(*permissions: Any) -> Any:
    class View(APIView):
        authentication_classes = [BearerAuthentication]
        permission_classes = list(permissions)

        def get(self, request: Any) -> Response:
            assert isinstance(request.user, TokenUser)
            return Response(str(request.user.id))

        def get_exception_handler(self) -> Any:
            """DRF's own, not this project's."""
            from rest_framework.views import exception_handler

            return exception_handler

    return View.as_view()


class Authenticated(HasRole):
    names = ("user", "guest", "admin", "owner")


DRF_VIEWS = {
    "/any": drf_view(Authenticated),
    "/role": drf_view(HasRole.of("admin", "owner")),
    "/permission": drf_view(HasScope.of("accounts.add_user")),
    "/nobody": drf_view(HasRole),
    "/nothing": drf_view(HasScope),
}


@pytest.fixture(params=["fastapi", "drf"])
def service(request: pytest.FixtureRequest, issuer: Issuer) -> Service:
    return Service(request.param, issuer)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_good_token_passes(service: Service, scheme: str) -> None:
    assert service.get("/any", f"{scheme} {service.issuer.token()}")[0] == 200


@pytest.mark.parametrize("header", NO_BEARER + BENT)
def test_a_bent_header_is_401(service: Service, header: str | None) -> None:
    token = service.issuer.token()
    for path in ("/any", "/role", "/permission"):
        status, headers = service.get(path, header and header.replace("{}", token))
        assert status == 401
        assert headers["www-authenticate"].startswith("Bearer")


def test_an_invalid_token_is_401(service: Service) -> None:
    issuer = service.issuer
    for bad in (issuer.token(exp=1), issuer.token(aud="x"), f"{issuer.token()}A", "a.b.c"):
        status, headers = service.get("/any", f"Bearer {bad}")
        assert status == 401
        assert headers["www-authenticate"].startswith("Bearer")


def test_two_headers_are_401(issuer: Issuer) -> None:
    good = f"Bearer {issuer.token()}"
    client = TestClient(fastapi_app(Verifier(issuer.url, AUDIENCE)))
    assert client.get("/any", headers=[("Authorization", good)]).status_code == 200
    twice = [("Authorization", good), ("Authorization", good)]
    assert client.get("/any", headers=twice).status_code == 401


def test_no_keys_is_503(service: Service) -> None:
    token = service.issuer.token()
    service.issuer.status = 500
    for path in ("/any", "/role", "/permission"):
        status, headers = service.get(path, f"Bearer {token}")
        assert status == 503
        assert headers["retry-after"] == "5"


def test_roles_and_permissions_are_needed(service: Service) -> None:
    issuer = service.issuer
    cases = (
        ("/role", {"role": "user"}, 403),
        ("/role", {"role": "Admin"}, 403),
        ("/role", {"role": "admin"}, 200),
        ("/role", {"role": "owner"}, 200),
        ("/permission", {"role": "admin"}, 403),
        ("/permission", {"scope": "accounts.add_users"}, 403),
        ("/permission", {"scope": ""}, 403),
        ("/permission", {"scope": "a.b accounts.add_user"}, 200),
    )
    for path, claims, status in cases:
        assert service.get(path, f"Bearer {issuer.token(**claims)}")[0] == status, (path, claims)


def test_a_permission_without_a_name_allows_nothing(issuer: Issuer) -> None:
    service = Service("drf", issuer)
    for path in ("/nobody", "/nothing"):
        token = issuer.token(role="admin", scope="None")
        assert service.get(path, f"Bearer {token}")[0] == 403


def test_a_token_user_is_what_the_token_says_and_no_more(issuer: Issuer) -> None:
    claims = Claims.of(issuer.claims())
    user: Any = TokenUser(claims)
    assert user.pk == user.id == claims.user_id
    assert str(user) == str(claims.user_id)
    assert (user.is_authenticated, user.is_anonymous, user.is_active) == (True, False, True)
    assert user.has_perms(["accounts.view_user", "accounts.change_user"])
    assert not user.has_perms(["accounts.view_user", "accounts.add_user"])
    assert not user.has_perm("accounts.view_user", object())
    for name in ("email", "username", "is_superuser", "is_staff", "role", "save", "groups"):
        with pytest.raises(AttributeError):
            getattr(user, name)
    with pytest.raises((AttributeError, TypeError)):
        user.is_superuser = True


def test_the_openapi_document_names_the_scheme(issuer: Issuer) -> None:
    document = fastapi_app(Verifier(issuer.url, AUDIENCE)).openapi()
    scheme = document["components"]["securitySchemes"]["access token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["paths"]["/role"]["get"]["security"] == [{"access token": []}]
