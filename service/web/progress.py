"""A recommendation's stages, as far as they are."""

from dataclasses import dataclass
from typing import Literal

from service.schemas.answer import Recommendation

STAGES = {
    "resolve": "Read the images",
    "fit": "Train networks to measure with",
    "distance": "Measure distances",
    "search": "Search for a cell",
    "train": "Train what was found",
    "export": "Write the files",
    "control": "Compare with other ways",
}
"""What each stage does, in the order in which they run."""


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        words: what it does.
        state: `ended` where the job came to an end in it without success.
        seconds: spent in it so far, over all attempts; None before it begins.
        expected: seconds that it is foretold to take; None where that is not known.
    """

    name: str
    words: str
    state: Literal["done", "now", "ended", "to come"]
    seconds: float | None
    expected: float | None


def stages_of(document: Recommendation, *, with_control: bool) -> list[Stage]:
    """The stages of the job, the `control` only where it was asked for."""
    names = [name for name in STAGES if name != "control" or with_control]
    reached = names.index(document.stage) if document.stage in names else -1
    spent = document.cost.stage_seconds or {}
    forecast = document.search.forecast or {}
    foretold = {"search": forecast.get("search"), "train": forecast.get("training")}
    stages = []
    for place, name in enumerate(names):
        state: Literal["done", "now", "ended", "to come"] = "to come"
        if document.state == "succeeded" or place < reached:
            state = "done"
        elif place == reached:
            state = "ended" if document.state in ("failed", "cancelled") else "now"
        seconds = None if state == "to come" else spent.get(name)
        stages.append(Stage(name, STAGES[name], state, seconds, foretold.get(name)))
    return stages
