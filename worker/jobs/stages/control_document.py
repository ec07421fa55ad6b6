"""The `control` of a recommendation: the networks of each arm, and their comparison with the found ones."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypedDict, final

from torch import Tensor

from ldnas.control import CONFIDENCE, Comparison, Verdict, compare, judge
from ldnas.objectives import score
from worker.jobs.memo import Codec
from worker.jobs.stages.train import CellDocument, FinishedNetwork, NetworkDocument

SEEDS = 3
OTHERS = ("full_space", "random", "resnet18")
ARMS = ("found", *OTHERS)


@dataclass(frozen=True)
class ControlSeconds:
    """The seconds of a control.

    Attributes:
        seconds: of each other arm: fit, distance and search together, or those of a race.
        search_seconds: of the found arm: the search alone, or those of a race.
    """

    seconds: float
    search_seconds: float


@final
class ResNet18Document(TypedDict):
    """A scaled ResNet-18 as a JSON value."""

    width: int
    parameters: int
    macs: int


@final
class NoNetwork(TypedDict):
    """Why an arm has no network within the constraints, as a JSON value."""

    reason: str


ArmDocument = CellDocument | ResNet18Document | NoNetwork
RacedDocument = NetworkDocument | NoNetwork
AnyDocument = CellDocument | ResNet18Document | NetworkDocument | NoNetwork

CONTROL_SECONDS = Codec(asdict, lambda value: ControlSeconds(**value))


@dataclass(frozen=True, eq=False)
class ControlReport:
    """The subject of a control, for its document.

    Attributes:
        labels: int64 [N] of the validation images that the networks were scored on, on the CPU.
        classes: of the task.
        searches: the arms that must be shown to be worse for the verdict helped.
        latency_table: the milliseconds by primitive, as a JSON value; None without a limit on latency.
    """

    labels: Tensor
    classes: int
    objective: str
    seed: int
    cost: ControlSeconds
    searches: Sequence[str]
    latency_table: dict[str, Any] | None = None

    def document(
        self,
        chosen: Mapping[str, Sequence[AnyDocument]],
        finished: Mapping[str, Sequence[FinishedNetwork]],
        *,
        judged: bool = False,
    ) -> dict[str, Any]:
        """The `control` of a recommendation; without comparisons and a verdict until all networks are finished."""
        comparisons = {
            arm: self._compare(finished["found"], finished[arm]) for arm in OTHERS if judged and finished[arm]
        }
        return {
            "verdict": judge_arms(comparisons, self.searches).value if judged else None,
            "seeds": SEEDS,
            "confidence": CONFIDENCE,
            "objective": self.objective,
            **asdict(self.cost),
            "latency_table": self.latency_table,
            **{arm: self._arm(chosen[arm], finished[arm], comparisons.get(arm)) for arm in ARMS},
        }

    def _compare(self, found: Sequence[FinishedNetwork], other: Sequence[FinishedNetwork]) -> Comparison:
        mine, theirs = ([each.validation.predictions for each in networks] for networks in (found, other))
        return compare(mine, theirs, self.labels, classes=self.classes, objective=self.objective, seed=self.seed)

    def _arm(
        self,
        chosen: Sequence[AnyDocument],
        finished: Sequence[FinishedNetwork],
        comparison: Comparison | None,
    ) -> dict[str, Any]:
        scores = [score(each.validation, self.objective) for each in finished]
        document = {
            "reason": next((each["reason"] for each in chosen if "reason" in each), None),
            "architectures": list(chosen),
            "scores": scores,
            "mean": statistics.fmean(scores) if scores else None,
        }
        if comparison is None:
            return {**document, "difference": None, "interval": None, "verdict": None}
        return {**document, **asdict(comparison), "verdict": comparison.verdict.value}


def judge_arms(comparisons: Mapping[str, Comparison], searches: Sequence[str]) -> Verdict:
    """The verdict over the arms; one of the `searches` without an admissible network is not shown to be worse."""
    verdicts = {arm: comparison.verdict for arm, comparison in comparisons.items()}
    return judge([*(dict.fromkeys(searches, Verdict.UNDECIDED) | verdicts).values()])
