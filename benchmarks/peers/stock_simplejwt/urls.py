"""Sign-in and refresh as SimpleJWT has them, and the caller's own account."""

from typing import Any

from django.contrib.auth.models import User
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView


class UserSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = [
            "id",
            "username",
            "email",
            "first_name",
            "last_name",
            "is_active",
            "is_staff",
            "is_superuser",
            "date_joined",
            "last_login",
        ]


class MeView(APIView):
    def get(self, request: Request) -> Response:
        user: Any = request.user
        return Response(UserSerializer(user).data)


urlpatterns = [
    path("token", TokenObtainPairView.as_view()),
    path("token/refresh", TokenRefreshView.as_view()),
    path("users/me", MeView.as_view()),
]
