"""A person or a service that signs in."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import check_password
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.identifiers import LONGEST_EMAIL, LONGEST_USERNAME, KeyField, key_of
from accounts.imported_hashes import is_imported
from accounts.models.role import Role
from accounts.names import split_full_name
from accounts.passwords import normalise_password
from security.identifiers import uuid7
from security.meters import Usage

BY_USERNAME = Coalesce("username_key", "email_key")
BY_EMAIL = Coalesce("email_key", "username_key")


class UserQuerySet(models.QuerySet["User"]):
    def for_identifier(self, identifier: str) -> "UserQuerySet":
        """The user of an e-mail address (it holds an @) or of a username (it can't)."""
        key = key_of(identifier)
        return self.filter(email_key=key) if "@" in key else self.filter(username_key=key)

    def same_identifiers(self, user: "User") -> "UserQuerySet":
        """Those who have the e-mail address or the username of `user`."""
        same = Q(email_key=key_of(user.email)) if user.email else Q()
        if user.username:
            same |= Q(username_key=key_of(user.username))
        return self.filter(same)

    def visible_to(self, caller: "User", *, to_do: str | None = None) -> "UserQuerySet":
        """Everybody for those who may view users, or do `to_do` to them; else only the caller."""
        if caller.has_perm("accounts.view_user") or (to_do and caller.has_perm(to_do)):
            return self
        return self.filter(pk=caller.pk)

    def outranking(self, caller: "User") -> "UserQuerySet":
        """Those who may do anything that `caller` may not."""
        roles = Role.objects.with_codes()
        return self.filter(role__in=[role.name for role in roles if role.exceeds(caller.role)])

    def search(self, text: str) -> "UserQuerySet":
        """Those whose e-mail address or username begins with `text`."""
        key = key_of(text)
        return self.filter(Q(email_key__startswith=key) | Q(username_key__startswith=key))

    def search_in_turn(self, text: str) -> tuple["UserQuerySet", "UserQuerySet"]:
        """The same in two lists, which an index each has in order: by username, else by e-mail."""
        key = key_of(text)
        named = self.filter(username_key__startswith=key)
        others = self.filter(email_key__startswith=key).exclude(username_key__startswith=key)
        return named, others

    def with_any(
        self, *, ids: Collection[UUID], email_keys: Collection[str], username_keys: Collection[str]
    ) -> "UserQuerySet":
        """Those who have one of the ids, e-mail addresses or usernames, given as their keys."""
        return self.filter(
            Q(pk__in=ids) | Q(email_key__in=email_keys) | Q(username_key__in=username_keys)
        )

    def held(self) -> "UserQuerySet":
        """With their roles, each row held until the caller's transaction ends.

        Not its key: ending a session refers to the user's row while it holds the session's.
        """
        return self.select_related("role").select_for_update(of=("self",), no_key=True)

    def active_admins(self) -> "UserQuerySet":
        return self.filter(is_active=True, role__all_permissions=True)


class UserManager(BaseUserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc]
    def get_by_natural_key(self, username: str | None) -> "User":
        user: User = self.for_identifier(username or "").get()
        return user


class User(AbstractBaseUser):
    """A user has an e-mail address, a username, or both, and exactly one role.

    The key columns decide uniqueness in the database; the shown columns keep the given spelling.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(max_length=LONGEST_EMAIL, null=True, blank=True)
    email_key = KeyField(of="email")
    username = models.CharField(max_length=LONGEST_USERNAME, null=True, blank=True)
    username_key = KeyField(of="username")
    # Wider than Django's: hashes taken over from other systems can be longer.
    password = models.CharField(max_length=256)
    # Set by an operator, to be changed by its owner at the next sign-in.
    password_expired = models.BooleanField(default=False, db_default=False)
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    role = models.ForeignKey(Role, on_delete=models.PROTECT, related_name="users", db_index=False)
    tier = models.CharField(max_length=32)
    is_active = models.BooleanField(default=True)
    email_verified_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    USERNAME_FIELD = "username_key"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[Any] = UserManager()

    # How far a request of theirs has used up their quota; empty where nothing was counted.
    usages: Sequence[Usage] = ()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(email_key__isnull=False) | Q(username_key__isnull=False),
                name="user_has_an_identifier",
            )
        ]
        # For lists: filtered by role, tier or status, newest first; ordered by what one signs in
        # with. An e-mail address holds an @ and a username can't, so the two never collide.
        indexes = [
            models.Index(fields=["role", "-id"], name="user_by_role"),
            models.Index(fields=["tier", "-id"], name="user_by_tier"),
            models.Index(fields=["-id"], condition=Q(is_active=False), name="user_inactive"),
            models.Index(BY_USERNAME, name="user_by_username"),
            models.Index(BY_EMAIL, name="user_by_email"),
        ]

    def __str__(self) -> str:
        return self.get_username()

    def clean(self) -> None:
        """AbstractBaseUser's would write into USERNAME_FIELD, which is derived here."""

    def get_username(self) -> str:
        """What the person signs in with, as they wrote it."""
        return self.username or self.email or ""

    def set_password(self, raw_password: str | None) -> None:
        super().set_password(normalise_password(raw_password) if raw_password else raw_password)

    def check_password(self, raw_password: str | None) -> bool:
        """Also re-hashes with the present parameters where the stored hash has older ones.

        Other systems hashed what was typed; so a hash of theirs is checked for that, too.
        """
        given = raw_password or ""
        normalised = normalise_password(given)

        def upgrade(_: str) -> None:
            old = self.password
            AbstractBaseUser.set_password(self, normalised)
            self._password = None
            mine = User.objects.filter(pk=self.pk, password=old).update(password=self.password)
            if not mine:
                # Another sign-in re-hashed it first, or the password was changed: look which.
                stored = User.objects.values_list("password", flat=True).get(pk=self.pk)
                if check_password(normalised, stored):
                    self.password = stored

        if check_password(normalised, self.password, upgrade):
            return True
        as_typed = given != normalised and is_imported(self.password)
        return as_typed and check_password(given, self.password, upgrade)

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @full_name.setter
    def full_name(self, name: str) -> None:
        self.first_name, self.last_name = split_full_name(name)

    @property
    def email_verified(self) -> bool:
        return self.email_verified_at is not None

    @property
    def is_superuser(self) -> bool:
        return self.is_active and self.role.all_permissions

    @property
    def is_admin(self) -> bool:
        return self.is_superuser

    @property
    def is_staff(self) -> bool:
        """Whether the console lets this user in."""
        return self.is_active and self.role.console_access

    def outranks(self, other: "User") -> bool:
        """Whether this user may do anything that `other` may not."""
        return self.role.exceeds(other.role)

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Whether the role grants `app.codename`; one answer for API, console and tokens."""
        return self.is_active and (self.role.all_permissions or perm in self.role.codes)

    def has_perms(self, perm_list: list[str], obj: object = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        if not self.is_active:
            return False
        return self.role.all_permissions or any(
            code.startswith(f"{app_label}.") for code in self.role.codes
        )
