"""The templates, and how an error looks in a browser."""

from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
_MACHINES = ("/api/", "/metrics", "/health", "/openapi.json")
_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: object) -> str:
    """Return the text of a template; every value is escaped."""
    return _templates.get_template(template).render(**values)


def is_part(request: Request) -> bool:
    """Say whether the page's script asks, which wants a part and no page."""
    return request.headers.get("hx-request") == "true"


def render_problem(request: Request, problem: dict[str, object]) -> HTMLResponse | None:
    """Return a problem as a page, or as the notice of the page that asked; None for a program, which gets JSON."""
    if request.url.path.startswith(_MACHINES):
        return None
    status = int(str(problem["status"]))
    if is_part(request):
        is_poll = request.method == "GET"
        headers = {"HX-Retarget": "#trouble" if is_poll else "#notice", "HX-Reswap": "innerHTML"}
        if status == 401:  # noqa: PLR2004
            headers = {"HX-Refresh": "true"}
        return HTMLResponse(render("notice.html", problem=problem), status_code=status, headers=headers)
    if "text/html" not in request.headers.get("accept", ""):
        return None
    template = "login.html" if status == 401 else "problem.html"  # noqa: PLR2004
    return HTMLResponse(render(template, problem=problem), status_code=status)
