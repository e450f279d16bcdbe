"""What other services need to verify our tokens offline."""

import contextlib
import hashlib
import json
from abc import abstractmethod
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpResponse
from django.urls import NoReverseMatch, reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from security.api.throttling import Limits
from security.keyring import keyring


class PublicDocument(APIView):
    """A JSON document for everyone, cacheable, with an ETag."""

    authentication_classes = ()
    permission_classes = ()
    # Other services fetch the keys as often as they need them.
    limits: ClassVar[Limits] = {}
    content_type = "application/json"

    @abstractmethod
    def document(self) -> dict[str, Any]: ...

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        body = json.dumps(self.document(), separators=(",", ":"))
        etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
        seconds = int(settings.AUTH_JWKS_MAX_AGE.total_seconds())
        headers = {"ETag": etag, "Cache-Control": f"public, max-age={seconds}"}
        if request.headers.get("If-None-Match") == etag:
            return HttpResponse(status=304, headers=headers)
        return HttpResponse(body, content_type=self.content_type, headers=headers)


class JWKSView(PublicDocument):
    """The public keys: next, current and retiring (RFC 7517)."""

    content_type = "application/jwk-set+json"

    def document(self) -> dict[str, Any]:
        return {"keys": list(keyring.public_jwks())}


class MetadataView(PublicDocument):
    """Issuer and keys (RFC 8414, OpenID Connect Discovery); only what this service does.

    Built from settings alone: no header of the request can change it.
    """

    def document(self) -> dict[str, Any]:
        return {
            "issuer": settings.AUTH_ISSUER,
            **_addresses(),
            "introspection_endpoint_auth_methods_supported": ["Bearer"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "response_types_supported": [],
            "grant_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": sorted(
                {jwk["alg"] for jwk in keyring.public_jwks()}
            ),
        }


def _addresses() -> dict[str, str]:
    """Where the project has put what the document names; what it left out is not named."""
    routes = {
        "jwks_uri": "jwks",
        "service_documentation": "docs",
        "introspection_endpoint": "introspect",
        "revocation_endpoint": "revoke",
    }
    found = {}
    for member, route in routes.items():
        with contextlib.suppress(NoReverseMatch):
            found[member] = f"{settings.PUBLIC_URL}{reverse(route)}"
    return found
