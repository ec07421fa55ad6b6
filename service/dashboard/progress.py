"""The stages of a recommendation and their progress."""

from dataclasses import dataclass
from typing import Literal

from service.schemas.answer import Recommendation

STAGES = {
    "resolve": "Read the images",
    "fit": "Train networks to measure with",
    "distance": "Measure distances",
    "search": "Search for a cell",
    "train": "Train the network found",
    "export": "Write the files",
    "control": "Compare with other ways",
}
"""The work of each stage in words, in the order in which the stages run."""


RACE_STAGES = STAGES | {"search": "Race the networks", "train": "Score the winner"}
"""The work of each stage of a recommendation by a race."""


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        words: its work.
        state: `ended` if the job failed or was cancelled in this stage.
        seconds: spent in it so far, over all attempts; None before it begins.
        expected: its predicted seconds in all; None without a forecast.
    """

    name: str
    words: str
    state: Literal["done", "now", "ended", "to come"]
    seconds: float | None
    expected: float | None


def stages_of(document: Recommendation, *, with_control: bool, with_race: bool) -> list[Stage]:
    """Lists the stages of the job; `control` only if the request asked for it."""
    words = RACE_STAGES if with_race else STAGES
    names = [name for name in STAGES if name != "control" or with_control]
    reached = names.index(document.stage) if document.stage in names else -1
    spent = document.cost.stage_seconds or {}
    forecast = document.search.forecast or {}
    expected = {"search": forecast.get("search"), "train": forecast.get("training")}
    stages = []
    for place, name in enumerate(names):
        state: Literal["done", "now", "ended", "to come"] = "to come"
        if document.state == "succeeded" or place < reached:
            state = "done"
        elif place == reached:
            state = "ended" if document.state in ("failed", "cancelled") else "now"
        seconds = None if state == "to come" else spent.get(name)
        stages.append(Stage(name, words[name], state, seconds, expected.get(name)))
    return stages
