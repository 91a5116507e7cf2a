"""The page at `/docs`: Swagger UI out of an installed package, so that it works where no public address is reached.

The page itself is empty; what it shows it asks for at `/openapi.json`, with the token where there is one.
"""

import re
from base64 import b64encode
from hashlib import sha256

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

DOCUMENT = "/openapi.json"
PAGE = "/docs"
FILES_PATH = "/static/docs"
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)

files = StaticFiles(packages=[("fastapi_offline", "static")])
"""Swagger UI's script and style, to be mounted at `FILES_PATH`."""


def documentation(title: str) -> APIRouter:
    """Return the route of the page; its policy names the one script that stands in the page by its hash (CSP 3)."""
    page = bytes(
        get_swagger_ui_html(
            openapi_url=DOCUMENT,
            title=title,
            swagger_js_url=f"{FILES_PATH}/swagger-ui-bundle.js",
            swagger_css_url=f"{FILES_PATH}/swagger-ui.css",
            swagger_favicon_url=f"{FILES_PATH}/favicon.png",
        ).body
    ).decode()
    hashes = " ".join(
        f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in _INLINE.findall(page)
    )
    policy = (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
    router = APIRouter()

    @router.get(PAGE, include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

    return router
