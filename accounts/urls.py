"""Routes of users and sign-in, below the API's base."""

from django.urls import path

from accounts.api.api_keys import ApiKeysView, ApiKeyView, UserApiKeysView
from accounts.api.login import LoginView
from accounts.api.logout import LogoutAllView, LogoutView
from accounts.api.refresh import RefreshView
from accounts.api.registration import RegisterView
from accounts.api.token_endpoints import IntrospectView, RevokeView
from accounts.api.users import MeView, PasswordView

urlpatterns = [
    path("auth/register", RegisterView.as_view(), name="register"),
    path("auth/login", LoginView.as_view(), name="login"),
    path("auth/login-form", LoginView.as_view(), name="login-form"),
    path("auth/access-token", LoginView.as_view(), name="access-token"),
    path("auth/refresh", RefreshView.as_view(), name="refresh"),
    path("auth/logout", LogoutView.as_view(), name="logout"),
    path("auth/logout-all", LogoutAllView.as_view(), name="logout-all"),
    path("auth/introspect", IntrospectView.as_view(), name="introspect"),
    path("auth/revoke", RevokeView.as_view(), name="revoke"),
    path("api-keys", ApiKeysView.as_view(), name="api-keys"),
    path("api-keys/<uuid:pk>", ApiKeyView.as_view(), name="api-key"),
    path("users/<uuid:pk>/api-keys", UserApiKeysView.as_view(), name="user-api-keys"),
    path("users/me", MeView.as_view(), name="me"),
    path("users/me/password", PasswordView.as_view(), name="password"),
    path("users/me/change-password", PasswordView.as_view(), name="change-password"),
]
