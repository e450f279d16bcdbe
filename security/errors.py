"""What can go wrong, each with its code, status and message; one handler prints them (RFC 9457)."""

from typing import ClassVar


class AuthError(Exception):
    """An error a client may see.

    `code` is stable snake case, `status` the HTTP status, `title` its short name and `detail` a
    sentence for a person. `retry_after` is in seconds and becomes the Retry-After header.
    """

    code: ClassVar[str]
    status: ClassVar[int] = 400
    detail: str
    retry_after: int | None = None

    def __init__(self, detail: str | None = None) -> None:
        if detail is not None:
            self.detail = detail
        super().__init__(self.detail)

    @property
    def sentences(self) -> str:
        """All there is to say to a person, in one line."""
        return self.detail


class FieldError(AuthError):
    """Well-formed but invalid fields, as (field, code, sentence)."""

    code = "validation_error"
    status = 422
    detail = "Some fields are not valid."

    def __init__(self, *errors: tuple[str, str, str]) -> None:
        super().__init__()
        self.errors = errors

    @property
    def sentences(self) -> str:
        return " ".join(detail for _, _, detail in self.errors)


class MalformedRequest(AuthError):
    code = "malformed_request"
    detail = "The request could not be understood."


class LengthRequired(AuthError):
    code = "length_required"
    status = 411
    detail = "A body needs a Content-Length header."


class BodyTooLarge(AuthError):
    code = "body_too_large"
    status = 413
    detail = "The request body is too large."


class HTTPSRequired(AuthError):
    code = "https_required"
    status = 403
    detail = "This service answers on https only."


class CrossSiteRequest(AuthError):
    code = "cross_site_request"
    status = 403
    detail = "A cookie is accepted only from this site or an allowed origin."


class InvalidCredentials(AuthError):
    code = "invalid_credentials"
    status = 401
    detail = "Incorrect username or password."


class AccountInactive(AuthError):
    code = "account_inactive"
    status = 403
    detail = "This account is inactive."


class EmailUnverified(AuthError):
    code = "email_unverified"
    status = 403
    detail = "Verify your e-mail address first, by the link that was mailed to you."


class RegistrationClosed(AuthError):
    code = "registration_closed"
    status = 403
    detail = "Registration is closed."


class AlreadyRegistered(AuthError):
    code = "already_registered"
    status = 409
    detail = "A user with this e-mail or username already exists."


class SiteExists(AuthError):
    code = "site_exists"
    status = 409
    detail = "A site with this name already exists."


class LastAdmin(AuthError):
    code = "last_admin"
    status = 409
    detail = "The last active admin can't be deactivated, demoted or deleted."


class NotOnYourself(AuthError):
    code = "not_on_yourself"
    status = 403
    detail = "Nobody deactivates, demotes or readdresses themselves here."


class GrantTooWide(AuthError):
    code = "grant_too_wide"
    status = 403
    detail = "Nobody grants a permission that they lack, or changes somebody who has more."


class RoleExists(AuthError):
    code = "role_exists"
    status = 409
    detail = "There is a role of this name."


class TooManyKeys(AuthError):
    code = "too_many_keys"
    status = 409
    detail = "The user has as many live keys as there may be; revoke one first."


class RoleProtected(AuthError):
    code = "role_protected"
    status = 409
    detail = "This role can't be changed like this."


class PrivilegedField(AuthError):
    code = "privileged_field"
    status = 403
    detail = "This field can't be changed here."


class AdminPasswordsRefused(AuthError):
    code = "admin_passwords_refused"
    status = 403
    detail = "Operators set no passwords here; the person sets one by the mailed link."


class PasswordExpired(AuthError):
    code = "password_expired"
    status = 403
    detail = "This password must be changed: sign in with it and a `new_password`."


class ReauthenticationRequired(AuthError):
    code = "reauthentication_required"
    status = 403
    detail = "Give your password, or sign in again first."


class PermissionMissing(AuthError):
    code = "permission_denied"
    status = 403
    detail = "You are not allowed to do this."


class NotFound(AuthError):
    code = "not_found"
    status = 404
    detail = "There is nothing at this address."


class MethodNotAllowed(AuthError):
    code = "method_not_allowed"
    status = 405
    detail = "This address does not take this method; the Allow header names those that it takes."


class UnsupportedMediaType(AuthError):
    code = "unsupported_media_type"
    status = 415
    detail = "This address does not take a body of this content type."


class InternalError(AuthError):
    code = "internal_error"
    status = 500
    detail = "Something went wrong here; the log has the details under this request's id."


class NotAuthenticated(AuthError):
    code = "not_authenticated"
    status = 401
    detail = "Sign in first: this needs an Authorization header with a Bearer token."


class UnusableToken(AuthError):
    """A credential was presented and can't be used (RFC 6750 section 3.1, `invalid_token`)."""

    status = 401


class TokenInvalid(UnusableToken):
    code = "token_invalid"
    detail = "The token is not valid."


class TokenExpired(UnusableToken):
    code = "token_expired"
    detail = "The access token has expired."


class SessionEnded(UnusableToken):
    code = "session_ended"
    detail = "The session has ended; sign in again."


class KeyNotFound(AuthError):
    code = "key_not_found"
    status = 404
    detail = "There is no such signing key."


class Unavailable(AuthError):
    """Something we depend on does not answer; the same request may work soon."""

    code = "temporarily_unavailable"
    status = 503
    detail = "The service can't answer this just now; try again shortly."
    retry_after = 2


class SigningUnavailable(Unavailable):
    code = "signing_unavailable"
    detail = "No usable signing key; the operator has been told in the log."


class RateLimited(AuthError):
    """`retry_after` says when the next request of this kind will be let through."""

    code = "rate_limited"
    status = 429
    detail = "Too many requests; try again later."

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after


class LoginCooldown(RateLimited):
    """Too many failures in a row: no password is looked at before `retry_after`."""

    code = "login_cooldown"
    detail = "Too many failed sign-ins in a row; try again later."


class TooBusy(Unavailable):
    code = "too_busy"
    detail = "Too many sign-ins at once; try again shortly."
