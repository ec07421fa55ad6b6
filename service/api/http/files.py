"""Serves files of the artifact store."""

from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from service.api.errors import MissingArtifactError
from service.api.http.conditional import POLLED, matches
from worker.storage.artifacts import ArtifactStore


def file_of(media_type: str, *, binary: bool) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that uses `stored_file`."""
    schema = {"type": "string"} | ({"format": "binary"} if binary else {})
    return POLLED | {200: POLLED[200] | {"content": {media_type: {"schema": schema}}}}


def stored_file(store: ArtifactStore, request: Request, digest: str, media_type: str, filename: str) -> Response:
    """An artifact, which never changes; its digest is its tag.

    Raises:
        MissingArtifactError: the file is no longer in the store.
    """
    headers = {"ETag": f'"{digest}"', "Cache-Control": "private, max-age=31536000, immutable"}
    if matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    try:
        path = store.local_file(digest)
    except FileNotFoundError as error:
        raise MissingArtifactError(f"the file {digest} is no longer in the artifact store") from error
    return FileResponse(path, media_type=media_type, filename=filename, headers=headers)
