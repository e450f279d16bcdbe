"""Who may: each view names a permission, and the user's role answers."""

from typing import Any

from rest_framework.permissions import BasePermission


class HasSession(BasePermission):
    """The default: somebody who signed in. An API key is let in only where a view says so."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return bool(request.user and request.auth.sid is not None)


class HasPermission(BasePermission):
    """Grants what the caller's role holds.

    `view.required_permission` names it for the whole view, None where being signed in is enough.
    A view of single objects that answers differently for each has `permission_on(object)`; it
    looks the object up among those that the caller may see, so what is hidden is not there.
    """

    def has_permission(self, request: Any, view: Any) -> bool:
        return bool(request.user) and _holds(request.user, view.required_permission)

    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        return _holds(request.user, view.permission_on(obj))


def _holds(user: Any, code: str | None) -> bool:
    return code is None or user.has_perm(code)
