"""The answer of a recommendation as it grows: what its stages tell, and what an earlier attempt told."""

from typing import Any

from worker.registry.registry import Registry
from worker.stages.context import JobContext


class Answer:
    """What was asked, what has been told, and what it has cost.

    What an earlier attempt told stays: an answer does not change because its job was interrupted.

    Attributes:
        request: as it was accepted.
        name: of the recommendation, None where it has none.
        told: the parts of the answer by their names.
    """

    def __init__(self, context: JobContext, recommendation_id: str) -> None:
        with context.reading() as registry:
            row = registry.recommendations.get(recommendation_id)
        self.id = recommendation_id
        self.request: dict[str, Any] = row.request
        self.name: str | None = row.name
        self.told: dict[str, Any] = row.document
        self._context = context
        self._spent: dict[str, float] = (row.document.get("cost") or {}).get("stage_seconds", {})

    def tell(self, *, warning: str | None = None, **parts: Any) -> None:
        """Puts parts of the answer, and what it has cost so far, where polls see them.

        A `warning` that belongs to them is added in the same transaction: no attempt keeps the one without the other.
        """
        warnings = self.told.get("warnings") or []
        if warning is not None and warning not in warnings:
            parts["warnings"] = [*warnings, warning]
        parts["cost"] = self.cost()
        self.told = {**self.told, **parts}
        with self._context.unit_of_work() as registry:
            registry.recommendations.merge_document(self.id, self._context.job_id, self._context.fence, parts)

    def warn(self, warning: str) -> None:
        """Adds a sentence to the answer's warnings, once."""
        if warning not in (self.told.get("warnings") or []):
            self.tell(warning=warning)

    def tell_cost(self, registry: Registry) -> None:
        """What the answer has cost so far, for the next attempt if this one is killed."""
        parts = {"cost": self.cost()}
        registry.recommendations.merge_document(self.id, self._context.job_id, self._context.fence, parts)

    def cost(self) -> dict[str, Any]:
        """Seconds by stage, over all attempts as far as they told them."""
        spent = self._context.seconds_by_stage()
        seconds = {stage: round(self._spent.get(stage, 0.0) + spent.get(stage, 0.0), 3) for stage in self._context.plan}
        return {
            "stage_seconds": seconds,
            "device": str(self._context.device),
            "device_seconds": round(sum(seconds.values()), 3),
            "micro_batch": self._context.micro_batches.largest,
        }

    def seconds(self, *stages: str) -> float:
        """Seconds spent so far in these stages; in all of them where none is named."""
        spent: dict[str, float] = self.cost()["stage_seconds"]
        return sum(spent[stage] for stage in stages or spent)
