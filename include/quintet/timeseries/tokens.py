"""Access tokens of the service: those of `quintet.webservice`, which other services share."""

from quintet.webservice.tokens import SCOPES, AccessError, Token, Tokens, new_token

__all__ = ["SCOPES", "AccessError", "Token", "Tokens", "new_token"]
