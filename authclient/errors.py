"""What can keep a token from being accepted; a service answers 401 or, if unavailable, 503."""


class AuthClientError(Exception):
    """Any reason why a token was not accepted."""


class InvalidToken(AuthClientError):
    """The token proves nothing: forged, bent, for somebody else, or its session has ended."""


class ExpiredToken(InvalidToken):
    """The token was good and has expired; its bearer should refresh."""


class Unavailable(AuthClientError):
    """Nobody can say whether the token is good, so it is not accepted now."""


class KeysUnavailable(Unavailable):
    """The public keys can't be fetched, and none that were fetched before may still be used."""


class CheckUnavailable(Unavailable):
    """The authentication service can't say whether the token's session is live."""
