"""Who may call: the token when there is one, and never another site's page through somebody's browser."""

import secrets
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cdc_assets.api.problems import Problem
from cdc_assets.settings import Settings

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_bearer = HTTPBearer(auto_error=False, description="The value of CDC_API_TOKEN, when that is set.")


def settings_of(request: Request) -> Settings:
    """The settings of the application that serves this request."""
    settings: Settings = request.app.state.settings
    return settings


AppSettings = Annotated[Settings, Depends(settings_of)]


def require_token(
    settings: AppSettings, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Raise Problem 401 unless the request carries the configured token."""
    if settings.api_token is None:
        return
    given = "" if credentials is None else credentials.credentials
    if not secrets.compare_digest(given.encode(), settings.api_token.encode()):
        raise Problem(
            401,
            "TOKEN_MISSING" if credentials is None else "TOKEN_WRONG",
            "this API asks for a token",
            fix="send the header Authorization: Bearer with the value of CDC_API_TOKEN",
            headers={"WWW-Authenticate": "Bearer"},
        )


def require_same_origin(request: Request) -> None:
    """Raise Problem 403 when a page of another site asks for a change (cross-site request forgery)."""
    origin = request.headers.get("origin")
    if request.method in _SAFE_METHODS or origin is None:
        return
    if urlsplit(origin).netloc != request.headers.get("host"):
        raise Problem(
            403,
            "ORIGIN_REFUSED",
            "a page of another site may not change anything here",
            fix="call the API from a program, or from a page of this address",
        )
