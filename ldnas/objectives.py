"""The objectives that score a finished network. Needs no torch.

Under `accuracy` every image counts alike; under `balanced_accuracy` and `macro_f1` every class does, however few images
it has.
"""

from typing import Protocol

from ldnas.errors import UnknownObjectiveError

OBJECTIVES = ("accuracy", "balanced_accuracy", "macro_f1")
"""Every objective by its name; the first is the default."""


class Scores(Protocol):
    """The scores of an evaluation; fractions in [0, 1]."""

    @property
    def accuracy(self) -> float: ...
    @property
    def balanced_accuracy(self) -> float: ...
    @property
    def macro_f1(self) -> float: ...


def require_objective(name: str, *, field: str = "objective") -> str:
    """The name itself, if it is known.

    Raises:
        UnknownObjectiveError: no objective has that name; the message lists the known ones.
    """
    if name not in OBJECTIVES:
        raise UnknownObjectiveError(f"no objective is called {name!r}; known: {', '.join(OBJECTIVES)}", field=field)
    return name


def score(scores: Scores, objective: str) -> float:
    """The score under an objective, in [0, 1]; more is better.

    Raises:
        UnknownObjectiveError: no objective has that name.
    """
    value: float = getattr(scores, require_objective(objective))
    return value
