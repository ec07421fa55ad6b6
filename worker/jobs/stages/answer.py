"""The answer of a recommendation as it grows: parts from its stages, and parts from earlier attempts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from worker.jobs.context import JobContext
from worker.jobs.memo import Codec, ResultT
from worker.registry import Registry
from worker.specification import RecommendationRequest


@dataclass(frozen=True)
class Part:
    """Fields of the answer by their names, and a sentence for its warnings, if any."""

    fields: Mapping[str, Any]
    warning: str | None = None


class Cost(TypedDict):
    """The `cost` of a recommendation: seconds over all attempts, as far as they reported them."""

    stage_seconds: dict[str, float]
    device: str
    device_seconds: float
    micro_batch: int | None


class Answer:
    """The request, the answer so far, and the cost.

    The answer is written for its readers: a stage finds the results of earlier attempts in the job's memo. Only the
    warnings and the seconds, which add up over all attempts, continue those in the stored answer.

    Attributes:
        request: the accepted request.
        name: the recommendation's name, None if it has none.
        begun: the answer as it was when this attempt began.
    """

    def __init__(self, context: JobContext, recommendation_id: str) -> None:
        with context.reading() as registry:
            row = registry.recommendations.get(recommendation_id)
        self.id = recommendation_id
        self.request = RecommendationRequest.from_storage(row.request)
        self.name: str | None = row.name
        self.begun: Mapping[str, Any] = row.document
        self._document: dict[str, Any] = row.document
        self._context = context
        self._spent: dict[str, float] = (row.document.get("cost") or {}).get("stage_seconds", {})

    def once(
        self, name: str, compute: Callable[[], ResultT], codec: Codec[ResultT], part: Callable[[ResultT], Part]
    ) -> ResultT:
        """The result in the job's memo, or a new one, which is stored and reported in one transaction."""

        def report(registry: Registry, result: ResultT) -> None:
            self._write(registry, part(result))

        return self._context.memo.once(name, compute, codec, also=report)

    def report(self, **fields: Any) -> None:
        """Report fields of the answer, and the cost so far, to pollers."""
        with self._context.unit_of_work() as registry:
            self._write(registry, Part(fields))

    def warn(self, warning: str) -> None:
        """Add a sentence to the answer's warnings, once."""
        if warning not in self._warnings:
            with self._context.unit_of_work() as registry:
                self._write(registry, Part({}, warning))

    def report_cost(self, registry: Registry) -> None:
        """Save the cost so far, for the next attempt if this one is killed."""
        self._merge(registry, {"cost": self.cost()})

    def cost(self) -> Cost:
        """Seconds by stage, over all attempts as far as they reported them."""
        spent = self._context.seconds_by_stage()
        seconds = {stage: round(self._spent.get(stage, 0.0) + spent.get(stage, 0.0), 3) for stage in self._context.plan}
        return {
            "stage_seconds": seconds,
            "device": str(self._context.compute.device),
            "device_seconds": round(sum(seconds.values()), 3),
            "micro_batch": self._context.compute.micro_batches.largest,
        }

    def seconds(self, *stages: str) -> float:
        """Seconds spent so far in these stages; in all stages if none is named."""
        spent = self.cost()["stage_seconds"]
        return sum(spent[stage] for stage in stages or spent)

    @property
    def _warnings(self) -> list[str]:
        return self._document.get("warnings") or []

    def _write(self, registry: Registry, part: Part) -> None:
        """Write the part with the cost; the fields of `search`, which several stages report, add up."""
        fields = {**part.fields, "cost": self.cost()}
        if "search" in fields:
            fields["search"] = {**(self._document.get("search") or {}), **fields["search"]}
        if part.warning is not None and part.warning not in self._warnings:
            fields["warnings"] = [*self._warnings, part.warning]
        self._document = {**self._document, **fields}
        self._merge(registry, fields)

    def _merge(self, registry: Registry, fields: dict[str, Any]) -> None:
        registry.recommendations.merge_document(self.id, self._context.job_id, self._context.attempt, fields)
