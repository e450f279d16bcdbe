"""New users, by themselves or by an operator."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.identifiers import key_of, normalise, validate_email, validate_username
from accounts.models import OneTimeToken, RegistrationRequest, Role, User
from accounts.models.one_time_token import Purpose
from accounts.names import validate_name
from accounts.services.guards import refuse_beyond
from accounts.services.mail_requests import request_mail
from accounts.services.passwords import must_expire, validate_password
from security import audit
from security.audit import Kind, has_happened
from security.client_info import ClientInfo
from security.errors import AlreadyRegistered, AuthError, FieldError, RegistrationClosed
from security.limits import enforce

# A person may get a password now or later; a service gets API keys.
KINDS = ("person", "service")


def register(
    *,
    email: str,
    password: str,
    username: str | None,
    first_name: str,
    last_name: str,
    tier: str | None,
    ignored: list[str],
    client: ClientInfo,
) -> User | None:
    """A new user with the role `user`, registered by themselves.

    `ignored` names the privileged fields that the request tried to set, for the trail. Where
    accounts are concealed, None: the worker sees whether the address is free, and its mailbox is
    told. Raises RegistrationClosed, FieldError, AlreadyRegistered or RateLimited.
    """
    if not settings.AUTH_REGISTRATION_OPEN:
        raise RegistrationClosed
    if tier is not None and tier not in settings.AUTH_SELF_SERVICE_TIERS:
        raise FieldError(("tier", "invalid_choice", "This tier can't be chosen at registration."))
    user = User(email=email, username=username, first_name=first_name, last_name=last_name)
    user.tier = tier or settings.AUTH_SELF_SERVICE_TIERS[0]
    if settings.AUTH_CONCEAL_ACCOUNTS:
        _ask_to_register(user, password, ignored, client)
        return None
    details: dict[str, Any] = {"ignored": ignored} if ignored else {}
    _prepare(user, password)
    return store_user(
        user,
        Role.USER,
        Kind.USER_REGISTERED,
        client,
        details,
        actor=user,
        mail=Purpose.VERIFY_EMAIL,
    )


def bootstrap_admin(*, password: str) -> User | None:
    """The first admin, as FIRST_SUPERUSER_* names them; None once an admin has existed.

    The trail remembers it, so deleting or demoting that admin doesn't open this again. Raises
    FieldError or AlreadyRegistered.
    """
    if _had_an_admin():
        return None
    user = User(
        email=settings.FIRST_SUPERUSER_EMAIL or None,
        username=settings.FIRST_SUPERUSER_USERNAME or None,
    )
    if not user.email and not user.username:
        user.username = "admin"
    user.full_name = settings.FIRST_SUPERUSER_FULL_NAME
    user.tier = settings.AUTH_TIERS[0]
    # The one who runs the service says so; there may be no mail yet.
    user.email_verified_at = timezone.now() if user.email else None
    try:
        _prepare(user, password)
    except AlreadyRegistered:
        if _had_an_admin():  # Another start was quicker.
            return None
        raise
    with transaction.atomic():
        # The role's row is the lock: two first starts at once make one admin.
        Role.objects.select_for_update().get(pk=Role.ADMIN)
        if _had_an_admin():
            return None
        return store_user(user, Role.ADMIN, Kind.ADMIN_BOOTSTRAPPED, ClientInfo(), {}, actor=None)


def _had_an_admin() -> bool:
    admins = User.objects.filter(role=Role.ADMIN)
    return admins.exists() or has_happened(Kind.ADMIN_BOOTSTRAPPED)


def create_user(
    *,
    email: str | None,
    username: str | None,
    password: str | None,
    first_name: str = "",
    last_name: str = "",
    role: str = Role.USER,
    tier: str | None = None,
    kind: str = "person",
    actor: User | None,
    client: ClientInfo | None = None,
    dry_run: bool = False,
) -> User:
    """A new user of one of KINDS, made by an operator; `actor` None is the command line.

    A person without a password gets a link to set one, if they have an e-mail address. A dry run
    is the real one, taken back: it meets every refusal that would come. Raises FieldError,
    AlreadyRegistered, GrantTooWide or AdminPasswordsRefused.
    """
    if kind == "service" and (password is not None or email):
        text = "A service has a username, and neither a password nor an e-mail."
        raise FieldError(("kind", "invalid", text))
    refuse_beyond(actor, find_role(role))
    if tier is not None:
        validate_tier(tier)
    user = User(email=email, username=username, first_name=first_name, last_name=last_name)
    user.tier = tier or settings.AUTH_TIERS[0]
    if password is not None:
        user.password_expired = must_expire()
    _prepare(user, password)
    return store_user(
        user,
        role,
        Kind.USER_CREATED,
        client or ClientInfo(),
        {},
        actor=actor,
        mail=Purpose.SET_PASSWORD if password is None else None,
        dry_run=dry_run,
    )


def find_role(name: str) -> Role:
    """Raises FieldError."""
    role = Role.objects.filter(pk=name).first()
    if role is None:
        raise FieldError(("role", "invalid_choice", f"There is no role {name!r}."))
    return role


def validate_tier(tier: str) -> None:
    """Raises FieldError for a tier that AUTH_TIERS does not name."""
    if tier not in settings.AUTH_TIERS:
        raise FieldError(("tier", "invalid_choice", f"There is no tier {tier!r}."))


def check_identifiers(user: User) -> None:
    """Normalise the user's e-mail address and username in place. Raises FieldError."""
    user.username, user.email = user.username or None, user.email or None
    if not user.username and not user.email:
        raise FieldError(("username", "required", "A user needs a username or an e-mail."))
    for field, validate in (("email", validate_email), ("username", validate_username)):
        given = getattr(user, field)
        if not given:
            continue
        try:
            setattr(user, field, normalise(given))
            validate(getattr(user, field))
        except ValidationError as error:
            raise FieldError((field, str(error.code), str(error.message))) from error


def refuse_held_address(user: User) -> None:
    """Raises AlreadyRegistered for an address that somebody else may still take back.

    It is free in the table; but who took it now would close the way back from a stolen account.
    """
    others = OneTimeToken.objects.exclude(user_id=user.pk)
    if user.email and others.giving_back([key_of(user.email)], timezone.now()).exists():
        raise AlreadyRegistered


def check_names(user: User) -> None:
    """Raises FieldError."""
    for field in ("first_name", "last_name"):
        try:
            validate_name(getattr(user, field))
        except ValidationError as error:
            raise FieldError((field, str(error.code), str(error.message))) from error


def _prepare(user: User, password: str | None) -> None:
    """Check identifiers and password and hash it, which takes time: no row is held yet."""
    _check(user, password)
    if User.objects.same_identifiers(user).exists():
        raise AlreadyRegistered
    user.set_password(password)


def _check(user: User, password: str | None) -> None:
    check_identifiers(user)
    check_names(user)
    if password is not None:
        validate_password(password, user, field="password")


def _ask_to_register(user: User, password: str, ignored: list[str], client: ClientInfo) -> None:
    """The same work, and at most as many messages, whoever has the address or the username."""
    _check(user, password)
    # Apart from other wishes of the mailbox, as in the API.
    enforce({"mailbox": f"register {key_of(user.email or '')}"})
    user.set_password(password)
    RegistrationRequest.objects.create(
        **{name: getattr(user, name) or "" for name in RegistrationRequest.OF_THE_USER},
        ignored=ignored,
        **RegistrationRequest.columns_of(client),
    )


def store_user(
    user: User,
    role: str,
    kind: Kind,
    client: ClientInfo,
    details: dict[str, Any],
    *,
    actor: User | None,
    mail: Purpose | None = None,
    dry_run: bool = False,
) -> User:
    """Write a user whose password is hashed. Raises AlreadyRegistered or FieldError."""
    user.role = find_role(role)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            # Now that the database gave the address: it was freed together with the way back.
            refuse_held_address(user)
            audit.record(kind, actor=actor, subject=user, client=client, **details)
            if mail and user.email:
                request_mail(mail, email=user.email, user=user, client=client)
            transaction.set_rollback(dry_run)
    except IntegrityError as error:
        raise lost_race(role) from error
    return user


def lost_race(role: str) -> AuthError:
    """What two at once came to who both had passed a look: the database let one in."""
    if not Role.objects.filter(pk=role).exists():
        return FieldError(("role", "invalid_choice", f"There is no role {role!r}."))
    return AlreadyRegistered()
