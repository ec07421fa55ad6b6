"""The base of all documents of the API: a frozen dataclass that is also a mapping of the service's JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, get_args, get_origin, get_type_hints

from service.client.errors import NoClientError

if TYPE_CHECKING:
    from ldnas.export.loading import CellNetwork

Json = dict[str, Any]
P = TypeVar("P", bound="Part")


class Origin(Protocol):
    """The methods of a client that its documents use to fetch more data."""

    def load_network(self, architecture_id: str) -> "CellNetwork": ...


class Part(Mapping[str, Any]):
    """A JSON object of the API.

    The attributes are typed: objects are parts, arrays are tuples, times are `datetime`. As a mapping it contains the
    JSON that the service sent: `answer["closest"]["name"]`, or `answer.json` as a whole, including fields that this
    release does not know. An attribute that an older service did not send is None.
    """

    _json: Json
    _origin: Origin | None

    @property
    def json(self) -> Json:
        """The JSON that the service sent, unchanged."""
        return self._json

    def __getitem__(self, key: str) -> Any:
        return self._json[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._json)

    def __len__(self) -> int:
        return len(self._json)

    def __repr__(self) -> str:
        plain = (f"{name}={self._json.get(name)!r}" for name in _hints(type(self)) if _is_plain(self._json.get(name)))
        return f"{type(self).__name__}({', '.join(plain)})"

    def __reduce__(self) -> Any:
        """A copied or pickled document has no client."""
        return read, (type(self), self._json)


def read(kind: type[P], document: Any, origin: Origin | None = None) -> P:
    """Converts a JSON object to a document of this kind; any other value becomes a document without values."""
    sent = dict(document) if isinstance(document, Mapping) else {}
    part = kind(**{name: _value(hint, sent.get(name), origin) for name, hint in _hints(kind).items()})
    # Set outside the dataclass fields, which are only those of the API.
    object.__setattr__(part, "_json", sent)
    object.__setattr__(part, "_origin", origin)
    return part


def load_by(part: Part, architecture_id: str) -> "CellNetwork":
    """The network of an architecture, loaded by the client that fetched the document.

    Raises:
        NoClientError: the document is a copy, or was loaded from a file.
    """
    if part._origin is None:
        raise NoClientError(type(part).__name__)
    return part._origin.load_network(architecture_id)


@cache
def _hints(kind: type[Part]) -> dict[str, Any]:
    """The fields of the dataclass with their types, in order."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(cast(Any, kind))}


def _value(hint: Any, value: Any, origin: Origin | None) -> Any:
    """A JSON value, converted to the type of its field; unchanged if it has another type (of a newer service)."""
    if isinstance(hint, type) and issubclass(hint, Part):
        return read(hint, value, origin)
    if value is None:
        return None
    if isinstance(hint, UnionType):
        return _value(_option(hint, value), value, origin)
    if hint is datetime and isinstance(value, str):
        return _instant(value)
    if get_origin(hint) is tuple and isinstance(value, list):
        element = get_args(hint)[0]  # also of pairs, whose elements have the same type
        return tuple(_value(element, item, origin) for item in value)
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


def _is_plain(value: Any) -> bool:
    return value is not None and not isinstance(value, dict | list)
