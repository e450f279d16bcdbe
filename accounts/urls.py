"""Routes of users and sign-in, below the API's base."""

from django.urls import path

from accounts.api.login import LoginView
from accounts.api.logout import LogoutAllView, LogoutView
from accounts.api.refresh import RefreshView
from accounts.api.registration import RegisterView
from accounts.api.users import MeView, PasswordView

urlpatterns = [
    path("auth/register", RegisterView.as_view(), name="register"),
    path("auth/login", LoginView.as_view(), name="login"),
    path("auth/login-form", LoginView.as_view(), name="login-form"),
    path("auth/access-token", LoginView.as_view(), name="access-token"),
    path("auth/refresh", RefreshView.as_view(), name="refresh"),
    path("auth/logout", LogoutView.as_view(), name="logout"),
    path("auth/logout-all", LogoutAllView.as_view(), name="logout-all"),
    path("users/me", MeView.as_view(), name="me"),
    path("users/me/password", PasswordView.as_view(), name="password"),
    path("users/me/change-password", PasswordView.as_view(), name="change-password"),
]
