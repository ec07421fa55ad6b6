"""`/static`: the dashboard's styles and scripts, and the drawing library from its installed package."""

import hashlib
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

_OWN = Path(str(files("service.dashboard") / "static"))
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# The address contains a digest of the content, so the file at an address never changes.
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}

router = APIRouter(include_in_schema=False)


@router.get("/static/{digest}/{name}")
def static_file(digest: str, name: str) -> Response:
    """Serves a file of the dashboard. Needs no key, since the sign-in page uses it."""
    path = _paths().get(name)
    if path is None:
        raise HTTPException(404, f"the dashboard has no file {name!r}")
    caching = _FOR_EVER if digest == _digest(name) else {"Cache-Control": "no-cache"}
    return FileResponse(path, media_type=_MEDIA_TYPES[path.suffix], headers=caching)


def static_url(name: str) -> str:
    """The address of the file with its current content."""
    return f"/static/{_digest(name)}/{name}"


@cache
def _paths() -> dict[str, Path]:
    """Every served file by its name."""
    own = {path.name: path for path in _OWN.iterdir() if path.suffix in _MEDIA_TYPES}
    return own | {"plotly.min.js": _plotly_script()}


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(_paths()[name].read_bytes()).hexdigest()[:16]


def _plotly_script() -> Path:
    # Located without importing the package: the import takes half a second and is not needed otherwise.
    spec = find_spec("plotly")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "package_data" / "plotly.min.js"
