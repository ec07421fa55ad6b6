"""The URIs that a user may have meant by a path or a bare name."""

import re
import shlex
from pathlib import Path

from ldnas.data.reference import BUILTIN_NAMES, TORCHVISION_NAMES, is_uploaded_name

LONGEST_PATH = 4096

_SCHEMES = ("dataset", "builtin", "torchvision", "https", "s3")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def likely_uris(text: str) -> str:
    """What to write in place of a text that is not a URI, as the end of a sentence."""
    path = Path(text)
    if _exists(path):
        name = _NOT_IN_NAMES.sub("-", path.absolute().stem).strip("._-")[:64] or "NAME"
        return (
            f"upload it with: ldnas dataset add {name} {shlex.quote(text)} and write dataset://{name}, or write "
            f"{path.absolute().as_uri()} if the service may read that folder (LDNAS_DATASET_ROOTS)"
        )
    scheme, colon, name = text.partition(":")
    if colon and scheme.lower() in _SCHEMES and name.strip("/"):
        return f"write {scheme.lower()}://{name.lstrip('/')}"
    if text in BUILTIN_NAMES:
        return f"write builtin://{text}"
    if text in TORCHVISION_NAMES:
        return f"write torchvision://{text}"
    if is_uploaded_name(text):
        return f"no file has that name here; write dataset://{text} for an uploaded dataset"
    if "/" in text and len(text) < LONGEST_PATH:
        return f"no such path exists here; write {path.absolute().as_uri()} if it exists on the service's host"
    return "no such path exists here; write dataset://NAME, builtin://digits, file:///a/folder, https://… or s3://…"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a path, or with a zero byte
        return False
