"""Routes of users and sign-in, below the API's base."""

from typing import Any

from django.urls import path

from accounts.api.api_keys import ApiKeysView, ApiKeyView, UserApiKeysView
from accounts.api.email_change import ChangeEmailView
from accounts.api.email_verification import ResendView, VerifyEmailView
from accounts.api.login import LoginView
from accounts.api.logout import LogoutAllView, LogoutView
from accounts.api.me import MeView, PasswordView
from accounts.api.password_reset import ForgotView, ResetView
from accounts.api.refresh import RefreshView
from accounts.api.registration import RegisterView
from accounts.api.roles import PermissionsView, RolesViewSet
from accounts.api.sites import MembersView, MemberView, SitesView, SiteView
from accounts.api.token_endpoints import IntrospectView, RevokeView
from accounts.api.user_operations import (
    AddUserView,
    DeleteUserView,
    SetUserActiveStatusView,
    UpdatePasswordView,
    UpdateUsernameView,
)
from accounts.api.users import UsersViewSet
from accounts.api.violations import ViolationsView, ViolationView

ONE: dict[str, Any] = {
    "get": "retrieve",
    "put": "update",
    "patch": "partial_update",
    "delete": "destroy",
}
users = UsersViewSet.as_view({"get": "list", "post": "create"})
user = UsersViewSet.as_view(ONE)

urlpatterns = [
    path("auth/register", RegisterView.as_view(), name="register"),
    path("auth/login", LoginView.as_view(), name="login"),
    path("auth/login-form", LoginView.as_view(), name="login-form"),
    path("auth/access-token", LoginView.as_view(), name="access-token"),
    path("auth/refresh", RefreshView.as_view(), name="refresh"),
    path("auth/logout", LogoutView.as_view(), name="logout"),
    path("auth/logout-all", LogoutAllView.as_view(), name="logout-all"),
    path("auth/password/forgot", ForgotView.as_view(), name="forgot-password"),
    path("auth/password/reset", ResetView.as_view(), name="reset-password"),
    path("auth/email/verify", VerifyEmailView.as_view(), name="verify-email"),
    path("auth/email/resend", ResendView.as_view(), name="resend-verification"),
    path("auth/email/change", ChangeEmailView.as_view(), name="change-email"),
    path("auth/introspect", IntrospectView.as_view(), name="introspect"),
    path("auth/revoke", RevokeView.as_view(), name="revoke"),
    path("api-keys", ApiKeysView.as_view(), name="api-keys"),
    path("api-keys/<uuid:pk>", ApiKeyView.as_view(), name="api-key"),
    path("users/me", MeView.as_view(), name="me"),
    path("users/me/password", PasswordView.as_view(), name="password"),
    path("users/me/change-password", PasswordView.as_view(), name="change-password"),
    path("users/add_user", AddUserView.as_view(), name="add-user"),
    path("users/delete_user", DeleteUserView.as_view(), name="delete-user"),
    path("users/update_username", UpdateUsernameView.as_view(), name="update-username"),
    path("users/update_password", UpdatePasswordView.as_view(), name="update-password"),
    path(
        "users/set_user_active_status",
        SetUserActiveStatusView.as_view(),
        name="set-user-active-status",
    ),
    path("users", users, name="users"),
    path("users/<uuid:pk>", user, name="user"),
    path("users/<uuid:pk>/api-keys", UserApiKeysView.as_view(), name="user-api-keys"),
    path("admin/users", users, name="admin-users"),
    path("admin/users/<uuid:pk>", user, name="admin-user"),
    path("roles", RolesViewSet.as_view({"get": "list", "post": "create"}), name="roles"),
    path("roles/<slug:name>", RolesViewSet.as_view(ONE), name="role"),
    path("permissions", PermissionsView.as_view(), name="permissions"),
    path("sites", SitesView.as_view(), name="sites"),
    path("sites/<uuid:pk>", SiteView.as_view(), name="site"),
    path("sites/<uuid:pk>/members", MembersView.as_view(), name="site-members"),
    path("sites/<uuid:pk>/members/<uuid:user_id>", MemberView.as_view(), name="site-member"),
    path("sites/<uuid:site_id>/violations", ViolationsView.as_view(), name="violations"),
    path("sites/<uuid:site_id>/violations/<uuid:pk>", ViolationView.as_view(), name="violation"),
]
