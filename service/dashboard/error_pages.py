"""Error pages: a browser gets one where a program gets a problem document."""

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from service.api.http.negotiation import negotiated
from service.dashboard.rendering import page
from service.schemas.problems import Problem

# These paths have no pages, whatever the client accepts.
_PROGRAMS = ("/v1/", "/static/", "/figures/", "/metrics", "/healthz", "/readyz", "/openapi.json")


def error_page(request: Request, problem: Problem, headers: Mapping[str, str]) -> Response | None:
    """Renders the problem as a page, or returns None where a program sent the request.

    A 401 redirects to the sign-in page, which leads back.
    """
    if not _wants_page(request):
        return None
    if problem.status == 401:
        query = f"?{request.url.query}" if request.url.query else ""
        asked_for = f"{request.scope.get('root_path', '')}{request.url.path}{query}"
        return RedirectResponse(f"/login?{urlencode({'next': asked_for})}", status_code=303)
    answer = page(request, "problem.html", status=problem.status, problem=problem)
    answer.headers.update(headers)
    return answer


def _wants_page(request: Request) -> bool:
    """Whether a browser requests one of the dashboard's pages."""
    accept = request.headers.get("accept", "")
    return (
        request.method in ("GET", "HEAD")
        and not request.url.path.startswith(_PROGRAMS)
        and "text/html" in accept
        and negotiated(accept + ", application/json;q=0.01", ("text/html", "application/json")) == "text/html"
    )
