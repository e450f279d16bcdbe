"""Who may: each view names a permission, and the user's role answers."""

from typing import Any

from rest_framework.permissions import BasePermission


class HasSession(BasePermission):
    """The default: somebody who signed in. An API key is let in only where a view says so."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return bool(request.user and request.auth.sid is not None)


class HasPermission(BasePermission):
    """Grants what `view.required_permission` names, if the caller's role holds it."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return bool(request.user and request.user.has_perm(view.required_permission))
