"""Base classes and types of all response models: references by id, times, pages."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

# The names of a task in paths and queries; `Tasks.find` tries them in this order.
TASK_NAME = "a task: its id, a baseline's name, or a target's name (the newest of that name)"


def _utc(value: object) -> object:
    """Converts the registry's seconds since the epoch to a datetime; the API writes RFC 3339 in UTC."""
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else value


Instant = Annotated[datetime, BeforeValidator(_utc)]
Json = dict[str, Any]


class Document(Mapping[str, Any], BaseModel):
    """A body of an answer: it contains every field, `null` where the value is not known.

    It is also a mapping of its JSON: `answer["closest"]["name"]`, or `answer.json` as a whole.
    """

    model_config = ConfigDict(from_attributes=True, frozen=True)

    @cached_property
    def json(self) -> Json:  # type: ignore[override]  # pydantic's method of this name is deprecated
        """The JSON of the document; of one that the client read, exactly what the service sent."""
        return self.model_dump(mode="json")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with changed fields; its JSON has the changes."""
        copied = super().model_copy(update=update, deep=deep)
        if update:
            vars(copied).pop("json", None)
        return copied

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
