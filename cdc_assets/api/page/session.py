"""How a browser shows that it knows the token: a cookie made from it, which neither scripts nor other sites can use.

Nothing is kept on the server: several API processes take each other's cookies, and another CDC_API_TOKEN ends them all.
"""

import hmac
import time
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cdc_assets.api.access import AppSettings, has_token, refused_token
from cdc_assets.api.problems import Problem
from cdc_assets.settings import Settings

LIFETIME_SECONDS = 12 * 60 * 60
_bearer = HTTPBearer(auto_error=False)


def cookie_name(request: Request) -> str:
    """Name the cookie; browsers keep those of all ports of a host together."""
    return f"cdc_assets_{request.url.port or request.url.scheme}"


def open_session(request: Request, response: Response, settings: Settings) -> None:
    """Give the browser that has shown the token a session of some hours."""
    response.set_cookie(
        cookie_name(request),
        session_value(settings.api_token or "", until=int(time.time()) + LIFETIME_SECONDS),
        max_age=LIFETIME_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def session_value(token: str, *, until: int) -> str:
    """Return what only somebody who knows the token can make; the token cannot be read from it."""
    proof = hmac.new(token.encode(), f"page session until {until}".encode(), "sha256").hexdigest()
    return f"{until}.{proof}"


def is_session(value: str, token: str, *, now: float) -> bool:
    """Say whether a cookie was made from this token and has not run out."""
    until, _, _ = value.partition(".")
    if not (until.isascii() and until.isdigit() and float(until) > now):
        return False
    return hmac.compare_digest(value.encode(), session_value(token, until=int(until)).encode())


def require_session(
    request: Request,
    settings: AppSettings,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> None:
    """Raise Problem 401, which shows the form for the token, unless the browser or a program has shown it."""
    cookie = request.cookies.get(cookie_name(request), "")
    if settings.api_token is None or is_session(cookie, settings.api_token, now=time.time()):
        return
    if not has_token(settings, credentials):
        raise refused_token(credentials)


def require_own_page(request: Request) -> None:
    """Raise Problem 403 unless a page of this very address sent the form (cross-site request forgery).

    Every browser says where a form comes from; a program has the API.
    """
    if request.headers.get("origin") is None:
        raise Problem(
            403,
            "ORIGIN_REFUSED",
            "this request does not say which page it comes from",
            fix="use the buttons of the page, or from a program POST /api/pipelines/{name}/start and its like",
        )
