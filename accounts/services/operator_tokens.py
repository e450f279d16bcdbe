"""Access tokens for operators, who act as a user for a few minutes."""

from datetime import timedelta

from django.db import transaction

from accounts.emails import in_words, notify
from accounts.models import User
from accounts.tokens import AccessToken
from security.client_info import ClientInfo
from security.errors import AccountInactive
from sessions_app.services.sessions import open_for_operator


def issue_token(*, user: User, lifetime: timedelta, client: ClientInfo) -> AccessToken:
    """An access token of a new session that ends with it; nothing can refresh it.

    The user is told. Raises AccountInactive.
    """
    with transaction.atomic():
        # Deactivation updates the same row: whoever is second sees the first.
        user = User.objects.held().get(pk=user.pk)
        if not user.is_active:
            raise AccountInactive
        session = open_for_operator(user=user, client=client, lifetime=lifetime)
        notify(user, "session_made", client=client, lifetime=in_words(lifetime))
    # The session ends first: on the second that it was opened in and its lifetime.
    return AccessToken.for_session(session, user, lifetime=lifetime)
