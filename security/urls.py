"""Routes of what other services read, outside the API's base."""

from django.urls import path

from security.api.well_known import JWKSView, MetadataView

urlpatterns = [
    path(".well-known/jwks.json", JWKSView.as_view(), name="jwks"),
    path(".well-known/openid-configuration", MetadataView.as_view(), name="openid-configuration"),
    path(
        ".well-known/oauth-authorization-server",
        MetadataView.as_view(),
        name="oauth-authorization-server",
    ),
]
