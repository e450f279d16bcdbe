"""Routes of sessions, below the API's base."""

from django.urls import path

from sessions_app.api.sessions import SessionsView, SessionView
from sessions_app.api.user_sessions import UserSessionsView

urlpatterns = [
    path("sessions", SessionsView.as_view(), name="sessions"),
    path("sessions/<uuid:pk>", SessionView.as_view(), name="session"),
    path("users/<uuid:pk>/sessions", UserSessionsView.as_view(), name="user-sessions"),
]
