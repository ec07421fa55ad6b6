"""Base class and types of all request models: strictness, names, texts, numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from worker.specification.patterns import NAME_IN_WORDS, NAME_PATTERN, PLAIN_TEXT_PATTERN

# Seeds end at 2**31 - 1, so that they fit a 32-bit column and a client whose numbers are doubles.
LARGEST_SEED = 2**31 - 1

LONGEST_NAME = 64
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=NAME_PATTERN),
    Field(description=NAME_IN_WORDS),
]
BASELINE_NAME = "a baseline: its name or its id"
PlainText = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=PLAIN_TEXT_PATTERN)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
ImageSize = Annotated[int, Field(ge=8, le=256, description="side of the square input image, in pixels")]


@dataclass(frozen=True)
class FormText:
    """How a form presents a field to readers who do not know the API.

    Attributes:
        label: its name.
        effect: its effect in a sentence.
        empty: the effect of leaving it empty; "" where the field's default says so.
    """

    label: str
    effect: str
    empty: str = ""


class Stored(BaseModel):
    """A JSON value that the API stores and a runner reads, perhaps of another version."""

    @classmethod
    def from_storage(cls, value: Mapping[str, Any]) -> Self:
        """The value as it was stored: an absent field has its default, and an unknown one is ignored."""
        return cls.model_validate(value, extra="ignore")


class Request(Stored):
    """A body that is refused if it has an unknown field or a number of the wrong type (`"3"`, `3.0`, `true`)."""

    model_config = ConfigDict(extra="forbid", strict=True)
