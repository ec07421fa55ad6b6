"""Renders a page from a template and documents."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.responses import HTMLResponse

from service.api.dependencies import Resources
from service.api.http.security_headers import DRAWING_POLICY
from service.api.security.callers import Caller
from service.client.display.race import memory_sentence, passed_over_sentences
from service.dashboard.statics import static_url
from worker.registry import Scope

MENU = (
    ("/", "Overview"),
    ("/recommendations", "Recommendations"),
    ("/tasks", "Tasks"),
    ("/distances", "Distances"),
    ("/datasets", "Datasets"),
    ("/jobs", "Jobs"),
)
"""The menu of every page."""

_UNKNOWN = "–"


def page(request: Request, template: str, /, status: int = 200, **context: Any) -> HTMLResponse:
    """Renders `template` with the context.

    Args:
        request: its path marks the entry of the menu, and its caller is shown on the page.
        template: the file in `templates/`.
        status: of the answer.
        context: the names that the template uses; a missing name is an error.
    """
    caller: Caller | None = getattr(request.state, "caller", None)
    common = {
        "path": request.url.path,
        "root": request.scope.get("root_path", ""),
        "caller": caller,
        "menu": MENU,
        "version": version("ldnas"),
    }
    body = _environment.get_template(template).render(common | context)
    return HTMLResponse(body, status_code=status, headers={"Content-Security-Policy": DRAWING_POLICY})


def number(value: float | None, digits: int = 3) -> str:
    """Formats with `digits` significant digits, and separators from a thousand on; a dash for an unknown value."""
    if value is None:
        return _UNKNOWN
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def percent(value: float | None, digits: int = 1) -> str:
    """Formats a fraction as a percentage."""
    return _UNKNOWN if value is None else f"{100 * value:.{digits}f} %"


def duration(seconds: float | None) -> str:
    """Formats seconds in their two largest units."""
    if seconds is None:
        return _UNKNOWN
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def compact(value: float | None) -> str:
    """Formats a large number with three digits: 1.23 million."""
    if value is None:
        return _UNKNOWN
    for unit, name in ((1e9, " billion"), (1e6, " million")):
        if value >= unit:
            return f"{value / unit:.3g}{name}"
    return number(value)


def moment(instant: datetime | float | None) -> str:
    """Formats date and time in UTC, to the minute; a number counts seconds since the epoch."""
    if isinstance(instant, int | float):
        instant = datetime.fromtimestamp(instant, UTC)
    return _UNKNOWN if instant is None else f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def size(count: float) -> str:
    """Formats bytes in the largest unit that gives at least 1; each unit is a thousand of the one before."""
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:,.1f} GB"


def dataset_name(reference: Mapping[str, Any]) -> str:
    """The part of a dataset reference that distinguishes it from others: its location."""
    return str(reference.get("uri", _UNKNOWN))


_environment = Environment(
    loader=PackageLoader("service.dashboard"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "number": number,
    "memory_sentence": memory_sentence,
    "passed_over_sentences": passed_over_sentences,
    "percent": percent,
    "duration": duration,
    "moment": moment,
    "size": size,
    "compact": compact,
    "dataset_name": dataset_name,
}


@pass_context
def _static(context: Context, name: str) -> str:
    """The address of a file of the dashboard, below the page's root path."""
    return f"{context['root']}{static_url(name)}"


_environment.globals["static"] = _static


def upload_context(request: Request, resources: Resources) -> dict[str, Any]:
    """Returns whether the caller may write, and the upload limit, for `parts/upload.html` and other controls."""
    caller: Caller = request.state.caller
    return {"may_write": caller.scope.includes(Scope.WRITE), "max_upload_bytes": resources.settings.max_upload_bytes}
