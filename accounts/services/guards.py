"""What nobody may do to whom; every change of a user's or a role's power passes here."""

from accounts.models import Role, User
from security.errors import GrantTooWide, LastAdmin, NotOnYourself


def refuse_on_self(actor: User | None, user: User) -> None:
    """Nobody takes power from themselves by mistake. Raises NotOnYourself."""
    if actor is not None and actor.pk == user.pk:
        raise NotOnYourself


def refuse_beyond(actor: User | None, role: Role) -> None:
    """Nobody grants, or takes from somebody, what they lack. Raises GrantTooWide.

    `actor` None is the command line, which may do everything.
    """
    if actor is not None and role.exceeds(actor.role):
        raise GrantTooWide


def take_turns() -> None:
    """Wait for whoever else takes power from an admin; call it before locking any other row.

    The lock leaves sign-ins and new users of these roles alone, which only refer to the row.
    """
    list(Role.objects.filter(all_permissions=True).select_for_update(no_key=True).order_by("pk"))


def keep_one_admin(user: User) -> None:
    """Inside take_turns(): raises LastAdmin if no other active admin would be left."""
    if user.is_superuser and not User.objects.active_admins().exclude(pk=user.pk).exists():
        raise LastAdmin
