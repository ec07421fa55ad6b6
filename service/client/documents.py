"""Reads the documents of the API, and adds to three of them what needs a client or Rich.

The documents are those of `service.schemas`, read without validation: a value of a type that this release does not know
is passed on, and a field that the service did not send is None.
"""

from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from service.client.errors import NoClientError, NoNetworkError
from service.schemas import answer, architectures, distances
from service.schemas.base import Document

if TYPE_CHECKING:
    from torch import nn

DocumentT = TypeVar("DocumentT", bound=Document)


class Origin(Protocol):
    """The methods of a client that its documents use to fetch more data."""

    def load_network(self, architecture_id: str) -> "nn.Module": ...


class _Fetched(Document):
    """A document with the client that fetched it; copied or pickled, it has no client."""

    _origin: Origin | None = None

    def __copy__(self) -> Self:
        return read(type(self), self.json)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return read(type(self), deepcopy(self.json, memo))

    def __reduce__(self) -> Any:
        return read, (type(self), self.json)

    def _load(self, architecture_id: str) -> "nn.Module":
        if self._origin is None:
            raise NoClientError(type(self).__name__)
        return self._origin.load_network(architecture_id)


class Recommendation(answer.Recommendation, _Fetched):
    def load_network(self) -> "nn.Module":
        """The recommended network as a torch module; see `Client.load_network`.

        Raises:
            NoNetworkError: the recommendation has no network, or none yet.
            NoClientError: the document is a copy, or was loaded from a file.
        """
        if self.architecture.id is None:
            raise NoNetworkError(self.name or self.id, self.state)
        return self._load(self.architecture.id)

    def _repr_html_(self) -> str:
        """The HTML that a notebook shows."""
        from service.client.display.html import answer_html  # Rich takes time to import, and scripts do not need it

        return answer_html(self)


class Architecture(architectures.Architecture, _Fetched):
    def load_network(self) -> "nn.Module":
        """The network as a torch module; see `Client.load_network`.

        Raises:
            NoClientError: the document is a copy, or was loaded from a file.
        """
        return self._load(self.id)

    def _repr_html_(self) -> str:
        """The HTML that a notebook shows."""
        from service.client.display.html import architecture_html  # Rich takes time to import

        return architecture_html(self)


class DistanceMatrix(distances.DistanceMatrix):
    def _repr_html_(self) -> str:
        """The HTML that a notebook shows."""
        from service.client.display.html import matrix_html  # Rich takes time to import

        return matrix_html(self)


def read(kind: type[DocumentT], document: Any, origin: Origin | None = None) -> DocumentT:
    """Converts a JSON object to a document of this kind; any other value becomes a document without values."""
    sent = dict(document) if isinstance(document, Mapping) else {}
    values = {name: _value(hint, sent.get(name)) for name, hint in _hints(kind).items()}
    found = cast(DocumentT, kind.model_construct(**values))  # mypy's plugin types it as Document
    vars(found)["json"] = sent  # where the cached property looks first
    if isinstance(found, _Fetched):
        found._origin = origin
    return found


@cache
def _hints(kind: type[Document]) -> dict[str, Any]:
    """The fields of the document with their types, in order."""
    hints = get_type_hints(kind)
    return {name: hints[name] for name in kind.model_fields}


def _value(hint: Any, value: Any) -> Any:
    """A JSON value, converted to the type of its field; unchanged if it has another type (of a newer service)."""
    if isinstance(hint, type) and issubclass(hint, Document):
        return read(hint, value)
    if value is None:
        return None
    if get_origin(hint) in (Union, UnionType):
        return _value(_option(hint, value), value)
    if hint is datetime and isinstance(value, str):
        return _instant(value)
    if get_origin(hint) is tuple and isinstance(value, list):
        element = get_args(hint)[0]  # also of pairs, whose elements have the same type
        return tuple(_value(element, item) for item in value)
    return value


def _option(union: Any, value: Any) -> Any:
    """The member of a union for this value: a tuple type for arrays, else another type."""
    options = [option for option in get_args(union) if option is not NoneType]
    fitting = [option for option in options if (get_origin(option) is tuple) == isinstance(value, list)]
    return (fitting or options)[0]


def _instant(text: str) -> datetime | str:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text
