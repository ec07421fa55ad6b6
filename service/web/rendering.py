"""From a template and documents to a page."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from service.security.callers import Caller
from service.security.headers import DRAWING_POLICY
from service.web.statics import static_url

MENU = (
    ("/", "Overview"),
    ("/recommendations", "Recommendations"),
    ("/tasks", "Tasks"),
    ("/distances", "Distances"),
    ("/datasets", "Datasets"),
    ("/jobs", "Jobs"),
)
"""The pages that every page leads to."""

_UNKNOWN = "–"


def page(request: Request, template: str, /, status: int = 200, **context: Any) -> HTMLResponse:
    """The page that `template` makes of the context.

    Args:
        request: whose path marks the menu's entry, and whose caller the page greets.
        template: its file in `templates/`.
        status: of the answer.
        context: the names that the template uses; a name that it misses is an error.
    """
    caller: Caller | None = getattr(request.state, "caller", None)
    told = {"path": request.url.path, "caller": caller, "menu": MENU, "version": version("ldnas")}
    body = _environment.get_template(template).render(told | context)
    return HTMLResponse(body, status_code=status, headers={"Content-Security-Policy": DRAWING_POLICY})


def number(value: float | None, digits: int = 3) -> str:
    """So many significant digits, with separators from a thousand on; a dash where it is not known."""
    if value is None:
        return _UNKNOWN
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as a percentage."""
    return _UNKNOWN if value is None else f"{100 * value:.{digits}f} %"


def duration(seconds: float | None) -> str:
    """Seconds in the two largest units that they fill."""
    if seconds is None:
        return _UNKNOWN
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def compact(value: float | None) -> str:
    """A large number in three digits: 1.23 million."""
    if value is None:
        return _UNKNOWN
    for unit, name in ((1e9, " billion"), (1e6, " million")):
        if value >= unit:
            return f"{value / unit:.3g}{name}"
    return number(value)


def moment(instant: datetime | float | None) -> str:
    """Date and time in UTC, to the minute; a number is seconds since the epoch."""
    if isinstance(instant, int | float):
        instant = datetime.fromtimestamp(instant, UTC)
    return _UNKNOWN if instant is None else f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def size(count: float) -> str:
    """Bytes in the largest unit of which there is at least one; a thousand of one make the next."""
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:,.1f} GB"


def dataset_name(reference: Mapping[str, Any]) -> str:
    """The part of a dataset reference that tells it from others: its location."""
    return str(reference.get("uri", _UNKNOWN))


_environment = Environment(
    loader=PackageLoader("service.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "number": number,
    "percent": percent,
    "duration": duration,
    "moment": moment,
    "size": size,
    "compact": compact,
    "dataset_name": dataset_name,
}
_environment.globals["static"] = static_url
