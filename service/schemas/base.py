"""Base classes and types of all request and response models: strictness, names, references by id, times."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

# Seeds end at 2**31 - 1, so that they fit a 32-bit column and a client whose numbers are doubles.
LARGEST_SEED = 2**31 - 1

LONGEST_NAME = 64
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 _.|-]*$"
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=NAME_PATTERN),
    Field(description="1 to 64 letters, digits, blanks and `_ . | -`, beginning with a letter or digit"),
]
# The names of a task in paths and queries; `Tasks.find` tries them in this order.
TASK_NAME = "a task: its id, a baseline's name, or a target's name (the newest of that name)"
BASELINE_NAME = "a baseline: its name or its id"
# Locations and columns have no control characters, and PostgreSQL rejects NUL.
PlainText = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f]+$")]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
ImageSize = Annotated[int, Field(ge=8, le=256, description="side of the square input image, in pixels")]


def _utc(value: object) -> object:
    """Converts the registry's seconds since the epoch to a datetime; the API writes RFC 3339 in UTC."""
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else value


Instant = Annotated[datetime, BeforeValidator(_utc)]
Json = dict[str, Any]


class Request(BaseModel):
    """A body that is refused if it has an unknown field or a number of the wrong type (`"3"`, `3.0`, `true`)."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Document(Mapping[str, Any], BaseModel):
    """A body of an answer: it contains every field, `null` where the value is not known.

    It is also a mapping of its JSON: `answer["closest"]["name"]`, or `answer.json` as a whole.
    """

    model_config = ConfigDict(from_attributes=True, frozen=True)

    @cached_property
    def json(self) -> Json:  # type: ignore[override]  # pydantic's method of this name is deprecated
        """The JSON of the document; of one that the client read, exactly what the service sent."""
        return self.model_dump(mode="json")

    def __getitem__(self, key: str) -> Any:
        return self.json[key]

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]  # the keys of a mapping; pydantic yields pairs
        return iter(self.json)

    def __len__(self) -> int:
        return len(self.json)

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        sent = self.json
        for name in type(self).model_fields:
            if sent.get(name) is not None and not isinstance(sent[name], dict | list):
                yield name, sent[name]

    def __str__(self) -> str:
        return repr(self)


class Resource(Document):
    """A body that represents a resource with an id."""

    id: str


ItemT = TypeVar("ItemT", bound=Resource)


class Page(BaseModel, Generic[ItemT]):
    """One page of a listing, newest first."""

    items: list[ItemT]
    next: str | None = Field(description="pass it as `after` for the next page; null on the last one")
