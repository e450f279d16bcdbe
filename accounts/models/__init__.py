"""The rows of who you are."""

from accounts.models.api_key import ApiKey
from accounts.models.mail_request import MailRequest
from accounts.models.one_time_token import OneTimeToken
from accounts.models.outgoing_mail import OutgoingMail
from accounts.models.registration_request import RegistrationRequest
from accounts.models.role import Role
from accounts.models.sign_in_failures import SignInFailures
from accounts.models.site import Membership, Site, Violation
from accounts.models.user import User

__all__ = [
    "ApiKey",
    "MailRequest",
    "Membership",
    "OneTimeToken",
    "OutgoingMail",
    "RegistrationRequest",
    "Role",
    "SignInFailures",
    "Site",
    "User",
    "Violation",
]
