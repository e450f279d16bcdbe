"""A user's sessions, for operators."""

from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.response import Response
from rest_framework.views import APIView

from security.api.permissions import HasPermission
from security.api.requests import SignedInRequest
from security.client_info import client_info
from security.errors import GrantTooWide
from sessions_app.api.sessions import RevokedOutput, SessionOutput
from sessions_app.models import DeviceSession
from sessions_app.models.device_session import EndReason
from sessions_app.services.sessions import end_sessions


@extend_schema_view(
    get=extend_schema(operation_id="user_sessions_list", responses=SessionOutput(many=True)),
    delete=extend_schema(operation_id="user_sessions_end", request=None, responses=RevokedOutput),
)
class UserSessionsView(APIView):
    """Where a user is signed in; a DELETE ends every session of theirs."""

    permission_classes = (HasPermission,)

    required_permission = None

    def permission_on(self, user: Any) -> str:
        return self.to_do

    @property
    def to_do(self) -> str:
        verb = "delete" if self.request.method == "DELETE" else "view"
        return f"sessions_app.{verb}_devicesession"

    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        self._check(pk)
        sessions = DeviceSession.objects.live().for_user(pk)
        context = {"current": request.auth.sid}
        return Response(SessionOutput(sessions, many=True, context=context).data)

    def delete(self, request: SignedInRequest, pk: UUID) -> Response:
        if self._check(pk).outranks(request.user):
            raise GrantTooWide
        revoked = end_sessions(
            DeviceSession.objects.live().for_user(pk),
            reason=EndReason.ENDED_BY_STAFF,
            actor=request.user,
            client=client_info(request),
        )
        return Response({"revoked": revoked})

    def _check(self, pk: UUID) -> Any:
        """Raises Http404 for a user whom the caller may not see, else asks for the permission."""
        people: Any = get_user_model()._default_manager
        visible = people.visible_to(self.request.user, to_do=self.to_do)
        user = visible.select_related("role").filter(pk=pk).first()
        if user is None:
            raise Http404
        self.check_object_permissions(self.request, user)
        return user
