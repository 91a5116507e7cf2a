"""Who may call: the token when there is one, and never another site's page through somebody's browser."""

import secrets
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cdc_assets.api.problems import Problem, answer
from cdc_assets.settings import Settings

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_bearer = HTTPBearer(auto_error=False, description="The value of CDC_API_TOKEN, when that is set.")


def settings_of(request: Request) -> Settings:
    """The settings of the application that serves this request."""
    settings: Settings = request.app.state.settings
    return settings


AppSettings = Annotated[Settings, Depends(settings_of)]


def has_token(settings: Settings, credentials: HTTPAuthorizationCredentials | None) -> bool:
    """Say whether the request carries the configured token; everybody has it when none is configured."""
    if settings.api_token is None:
        return True
    given = "" if credentials is None else credentials.credentials
    return secrets.compare_digest(given.encode(), settings.api_token.encode())


def refused_token(credentials: HTTPAuthorizationCredentials | None) -> Problem:
    """Return the answer to a request without the token."""
    return Problem(
        401,
        "TOKEN_MISSING" if credentials is None else "TOKEN_WRONG",
        "this API asks for a token",
        fix="send the header Authorization: Bearer with the value of CDC_API_TOKEN",
        headers={"WWW-Authenticate": "Bearer"},
    )


def require_token(
    settings: AppSettings, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Raise Problem 401 unless the request carries the configured token."""
    if not has_token(settings, credentials):
        raise refused_token(credentials)


def refuse_foreign_name(request: Request) -> Response | None:
    """Return the answer to a request under a name that is not ours, None to ours.

    Without a token the browser is the way in: a name of somebody else may lead to this address.
    """
    settings = settings_of(request)
    name = urlsplit(f"//{request.headers.get('host', '')}").hostname
    if settings.api_token is not None or name in _LOOPBACK_NAMES | {settings.api_host}:
        return None
    return answer(
        request,
        Problem(
            400,
            "HOST_REFUSED",
            "without a token this API answers under its own address only",
            fix=f"call http://{settings.api_host}:{settings.api_port}, or set CDC_API_TOKEN",
        ),
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
