"""Users, for operators; everybody finds themselves here too."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.api.me import GUARDED, ProfileInput
from accounts.api.representations import (
    UserOutput,
    sent_changes,
    user_output,
)
from accounts.api.requests import UserRequest
from accounts.models import Role, User
from accounts.models.user import BY_EMAIL, BY_USERNAME
from accounts.services.registration import KINDS, create_user
from accounts.services.users import change_user, delete_user
from security.api.fields import TextField
from security.api.pagination import InTurn, KeysetPagination, PageInput
from security.api.permissions import HasPermission
from security.api.throttling import Limits, by_user
from security.client_info import client_info
from security.errors import FieldError

ORDERINGS = {"created_at": "id", "username": "by_username", "email": "by_email"}
# Not even an operator: it is proven by a message to the address.
OPERATOR_GUARDED = ("email_verified",)


class UserQuery(PageInput):
    """What a list of users is filtered by."""

    search = serializers.CharField(
        required=False, help_text="How the e-mail address or the username begins."
    )
    role = serializers.CharField(required=False)
    tier = serializers.CharField(required=False)
    is_active = serializers.BooleanField(required=False)
    ordering = serializers.ChoiceField(
        required=False,
        choices=[sign + name for name in ORDERINGS for sign in ("", "-")],
        help_text="Default `-created_at`; of a `search`, those found by the username, in its "
        "order, before those found by the e-mail address. Who lacks a username is put by the "
        "address.",
    )


class OperatorInput(ProfileInput):
    """What an operator may write: `accounts.services.users.OPERATOR_FIELDS`.

    `is_admin` and `is_superuser` are other ways to say `role`.
    """

    email = TextField(max_length=320, required=False, allow_null=True, allow_blank=True)
    role = TextField(max_length=64, required=False)
    tier = TextField(max_length=32, required=False)
    is_active = serializers.BooleanField(required=False)
    is_admin = serializers.BooleanField(required=False)
    is_superuser = serializers.BooleanField(required=False)


class NewUserInput(ProfileInput):
    """A person, who may get a password now or later, or a service, which gets API keys."""

    email = TextField(max_length=320, required=False, allow_null=True, allow_blank=True)
    password = TextField(max_length=4096, trim_whitespace=False, required=False, allow_null=True)
    role = TextField(max_length=64, required=False)
    tier = TextField(max_length=32, required=False)
    kind = serializers.ChoiceField(choices=KINDS, default="person")


def find_visible_user(view: APIView, pk: UUID, *, to_do: str | None) -> User:
    """The user for an endpoint about one, if the caller may see them and do `to_do` to them.

    Raises Http404 and PermissionDenied.
    """
    request: Any = view.request
    people = User.objects.visible_to(request.user, to_do=to_do).select_related("role")
    user: User | None = people.filter(pk=pk).first()
    if user is None:
        raise Http404
    view.check_object_permissions(request, user)
    return user


def role_named_by(changes: dict[str, Any], present: User) -> dict[str, Any]:
    """The changes with `role` in the place of `is_admin` and `is_superuser`.

    A client that sends the whole user back means what differs. Raises FieldError for a
    contradiction.
    """
    flags = {changes.pop(name) for name in ("is_admin", "is_superuser") if name in changes}
    wanted = flags - {present.is_admin}
    if not wanted:
        return changes
    named = Role.ADMIN if wanted == {True} else Role.USER
    role = changes.get("role", present.role_id)
    if role not in {present.role_id, named}:
        raise FieldError(("role", "contradiction", "The role and the admin flags don't agree."))
    return changes | {"role": named}


class UsersViewSet(GenericViewSet[User]):
    """Find, make, change and delete users."""

    permission_classes = (HasPermission,)
    pagination_class = KeysetPagination
    serializer_class = UserOutput
    queryset = User.objects.none()
    codes: ClassVar[dict[str, str]] = {"list": "accounts.view_user", "create": "accounts.add_user"}
    object_codes: ClassVar[dict[str, str]] = {
        "update": "accounts.change_user",
        "partial_update": "accounts.change_user",
        "destroy": "accounts.delete_user",
    }

    @property
    def required_permission(self) -> str | None:
        return self.codes.get(self.action)

    def permission_on(self, user: User) -> str | None:
        """Who may see somebody may read them; and everybody may change their own plain fields."""
        own = self.request.user.pk == user.pk
        return None if own and self.action != "destroy" else self.to_do

    @property
    def to_do(self) -> str | None:
        return self.object_codes.get(self.action)

    @property
    def limits(self) -> Limits:
        """Changing oneself here counts as changing oneself there."""
        own = str(self.kwargs.get("pk")) == str(self.request.user.pk)
        return {"profile": by_user} if own and "update" in self.action else {}

    @extend_schema(operation_id="users_list", parameters=[UserQuery])
    def list(self, request: UserRequest) -> Response:
        asked = UserQuery.read(request)
        people = User.objects.select_related("role").annotate(
            by_username=BY_USERNAME, by_email=BY_EMAIL
        )
        people = people.filter(
            **{name: asked[name] for name in ("role", "tier", "is_active") if name in asked}
        )
        page = self.paginate_queryset(self._in_order(people, asked))
        return self.get_paginated_response(UserOutput(page, many=True).data)

    def _in_order(self, people: Any, asked: dict[str, Any]) -> Any:
        """What to cut the page from, found by the search and in the order that are asked for."""
        search, ordering = asked.get("search"), asked.get("ordering")
        if search and not ordering:
            # In the order of an index, or a page would cost as much as there are users.
            named, others = people.search_in_turn(search)
            self.page_ordering = InTurn.ordering
            return InTurn((named, "username_key"), (others, "email_key"))
        ordering = ordering or "-created_at"
        sign = "-" if ordering.startswith("-") else ""
        self.page_ordering = (sign + ORDERINGS[ordering.removeprefix("-")],)
        return people.search(search) if search else people

    @extend_schema(operation_id="users_create", request=NewUserInput, responses={201: UserOutput})
    def create(self, request: UserRequest) -> Response:
        given = NewUserInput(data=request.data)
        given.is_valid(raise_exception=True)
        fields: dict[str, Any] = {"email": None, "username": None, "password": None}
        user = create_user(
            **(fields | given.validated_data), actor=request.user, client=client_info(request)
        )
        return Response(user_output(user), status=201)

    @extend_schema(operation_id="users_read")
    def retrieve(self, request: UserRequest, pk: UUID) -> Response:
        return Response(user_output(find_visible_user(self, pk, to_do=self.to_do)))

    @extend_schema(operation_id="users_replace", request=OperatorInput)
    def update(self, request: UserRequest, pk: UUID) -> Response:
        user = find_visible_user(self, pk, to_do=self.to_do)
        if request.user.has_perm("accounts.change_user"):
            changes = sent_changes(request.data, user, OperatorInput, guarded=OPERATOR_GUARDED)
            changes = role_named_by(changes, user)
        else:
            changes = sent_changes(request.data, user, ProfileInput, guarded=GUARDED)
        changed = change_user(
            user=user, changes=changes, actor=request.user, client=client_info(request)
        )
        return Response(user_output(changed))

    @extend_schema(operation_id="users_change", request=OperatorInput)
    def partial_update(self, request: UserRequest, pk: UUID) -> Response:
        return self.update(request, pk)

    @extend_schema(operation_id="users_delete", request=None, responses={204: None})
    def destroy(self, request: UserRequest, pk: UUID) -> Response:
        user = find_visible_user(self, pk, to_do=self.to_do)
        delete_user(user=user, actor=request.user, client=client_info(request))
        return Response(status=204)
