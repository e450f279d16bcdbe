"""The caller's own sessions."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from security.api.fields import TextField
from security.api.requests import SignedInRequest
from security.client_info import client_info
from sessions_app.models import DeviceSession
from sessions_app.models.device_session import LONGEST_DEVICE, EndReason
from sessions_app.services.sessions import end_sessions, rename_session


class SessionOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    device = serializers.CharField()
    ip_address = serializers.IPAddressField(allow_null=True)
    user_agent = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    expires_at = serializers.SerializerMethodField()
    is_current = serializers.SerializerMethodField()

    def get_expires_at(self, session: DeviceSession) -> str:
        """When the session ends unless it is refreshed before."""
        return serializers.DateTimeField().to_representation(session.ends_at())

    def get_is_current(self, session: DeviceSession) -> bool:
        return session.pk == self.context.get("current")


class RevokedOutput(serializers.Serializer[Any]):
    revoked = serializers.IntegerField()


def current_sid(request: SignedInRequest) -> UUID:
    """The session that the request was sent in, where the view lets in nobody without one."""
    sid: UUID = request.auth.sid
    return sid


@extend_schema_view(
    get=extend_schema(operation_id="sessions_list", responses=SessionOutput(many=True)),
    delete=extend_schema(operation_id="sessions_end_others", request=None, responses=RevokedOutput),
)
class SessionsView(APIView):
    """Where the caller is signed in; a DELETE ends all sessions but this one."""

    def get(self, request: SignedInRequest) -> Response:
        sessions = DeviceSession.objects.live().for_user(request.user.pk)
        context = {"current": current_sid(request)}
        return Response(SessionOutput(sessions, many=True, context=context).data)

    def delete(self, request: SignedInRequest) -> Response:
        others = DeviceSession.objects.live().for_user(request.user.pk)
        revoked = end_sessions(
            others.exclude(pk=current_sid(request)),
            reason=EndReason.LOGOUT_OTHERS,
            actor=request.user,
            client=client_info(request),
        )
        return Response({"revoked": revoked})


class SessionView(APIView):
    """One session of the caller; anybody else's is not there."""

    class SessionInput(serializers.Serializer[Any]):
        device = TextField(max_length=LONGEST_DEVICE)

    @extend_schema(operation_id="sessions_rename", request=SessionInput, responses=SessionOutput)
    def patch(self, request: SignedInRequest, pk: UUID) -> Response:
        given = self.SessionInput(data=request.data)
        given.is_valid(raise_exception=True)
        session = rename_session(
            session=self._session(request, pk),
            device=given.validated_data["device"],
            actor=request.user,
            client=client_info(request),
        )
        return Response(SessionOutput(session, context={"current": current_sid(request)}).data)

    @extend_schema(operation_id="sessions_end", request=None, responses={204: None})
    def delete(self, request: SignedInRequest, pk: UUID) -> Response:
        session = self._session(request, pk)
        end_sessions(
            DeviceSession.objects.filter(pk=session.pk),
            reason=EndReason.REMOTE_LOGOUT,
            actor=request.user,
            client=client_info(request),
        )
        return Response(status=204)

    def _session(self, request: SignedInRequest, pk: UUID) -> DeviceSession:
        session = DeviceSession.objects.live().for_user(request.user.pk).filter(pk=pk).first()
        if session is None:
            raise Http404
        return session
