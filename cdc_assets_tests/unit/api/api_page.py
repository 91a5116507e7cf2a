"""Renders `docs/api.md` from the OpenAPI document.

`python -m cdc_assets_tests.unit.api.api_page` writes the page; a test compares it.
"""

from pathlib import Path
from typing import Any

from cdc_assets.api.application import create_app
from cdc_assets.settings import Settings

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
_INTRODUCTION = """# HTTP API

Written from the routes of `cdc_assets/api/` by `python -m cdc_assets_tests.unit.api.api_page`; a test keeps it current.

Served on `CDC_API_HOST`:`CDC_API_PORT` (127.0.0.1:8000) by `./cdc up` and `./cdc demo`, or alone by
`python -m uvicorn cdc_assets.api:app`. `/openapi.json` holds every shape with examples, `/docs` shows it in a browser.
At `/` is the page for people: pipelines and tables with their states, loads under way, lag over the last hour, the last
error with its fix, the buttons, and links into Dagster.

```
curl -s http://127.0.0.1:8000/api/pipelines/sales | jq .status
curl -s -X POST http://127.0.0.1:8000/api/pipelines/sales/start
```

A pipeline is named by its name or its id. Requests that change something answer 202: accepted, the pipeline's `status`
shows when it is done. Every error is `application/problem+json` with `code`, `detail` and `fix`
([operations](operations.md) explains the codes). With `CDC_API_TOKEN` set everything but `/health*` wants
`Authorization: Bearer`; without it the API listens on loopback only, and takes no change from another site's page. In a
browser the page asks for the token once and keeps a session of twelve hours; the session is for the page, not for
`/api`. Behind a proxy that ends TLS, hand on `Host` and `X-Forwarded-Proto`.

Lists come in pages: `limit` says how long one is, and the header `Link` leads to the next. What a body may hold is the
[JSON Schema of the pipeline files](schema/pipeline.json), and `name` where a pipeline is made. A query parameter that
is not known is refused by name.

| request | does |
|---|---|
"""


def render() -> str:
    """Return the whole page."""
    document: dict[str, Any] = create_app(Settings.load(api_host="127.0.0.1")).openapi()
    rows = [
        f"| `{method.upper()} {path}` | {operation['summary']}: {' '.join(operation['description'].split())} |\n"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return _INTRODUCTION + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
