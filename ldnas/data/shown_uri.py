"""A URI as answers, files, logs and messages show it: without the parts that may grant access by themselves.

Needs the standard library alone.
"""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "…"
"""Stands for a hidden part; `DatasetReference` refuses it in place of a query."""

_USER = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@")


def shown_uri(uri: str) -> str:
    """The URI with `…` in place of its query, and of a user and a password; any other URI as it is.

    A signed URL (`https://host/file?X-Amz-Signature=…`) grants access to the file by its query alone. Applied
    twice, the function changes nothing more.
    """
    address, mark, query = uri.partition("?")
    return _USER.sub(rf"\1{HIDDEN}@", address) + mark + (HIDDEN if query else "")


def shown_reference(reference: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON form of a dataset reference, with its `uri` as `shown_uri`."""
    return {key: shown_uri(value) if key == "uri" else value for key, value in reference.items()}
