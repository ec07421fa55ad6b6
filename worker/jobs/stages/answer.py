"""The answer of a recommendation as it grows: parts from its stages, and parts from earlier attempts."""

from typing import Any

from worker.jobs.context import JobContext
from worker.registry import Registry


class Answer:
    """The request, the parts of the answer reported so far, and the cost.

    Parts from an earlier attempt stay: an answer does not change because its job was interrupted.

    Attributes:
        request: the accepted request.
        name: the recommendation's name, None if it has none.
        reported: the parts of the answer by their names.
    """

    def __init__(self, context: JobContext, recommendation_id: str) -> None:
        with context.reading() as registry:
            row = registry.recommendations.get(recommendation_id)
        self.id = recommendation_id
        self.request: dict[str, Any] = row.request
        self.name: str | None = row.name
        self.reported: dict[str, Any] = row.document
        self._context = context
        self._spent: dict[str, float] = (row.document.get("cost") or {}).get("stage_seconds", {})

    def report(self, *, warning: str | None = None, **parts: Any) -> None:
        """Report parts of the answer, and the cost so far, to pollers.

        A `warning` about them is added in the same transaction, so that both are stored or neither.
        """
        warnings = self.reported.get("warnings") or []
        if warning is not None and warning not in warnings:
            parts["warnings"] = [*warnings, warning]
        parts["cost"] = self.cost()
        self.reported = {**self.reported, **parts}
        with self._context.unit_of_work() as registry:
            registry.recommendations.merge_document(self.id, self._context.job_id, self._context.attempt, parts)

    def warn(self, warning: str) -> None:
        """Add a sentence to the answer's warnings, once."""
        if warning not in (self.reported.get("warnings") or []):
            self.report(warning=warning)

    def report_cost(self, registry: Registry) -> None:
        """Save the cost so far, for the next attempt if this one is killed."""
        parts = {"cost": self.cost()}
        registry.recommendations.merge_document(self.id, self._context.job_id, self._context.attempt, parts)

    def cost(self) -> dict[str, Any]:
        """Seconds by stage, over all attempts as far as they reported them."""
        spent = self._context.seconds_by_stage()
        seconds = {stage: round(self._spent.get(stage, 0.0) + spent.get(stage, 0.0), 3) for stage in self._context.plan}
        return {
            "stage_seconds": seconds,
            "device": str(self._context.device),
            "device_seconds": round(sum(seconds.values()), 3),
            "micro_batch": self._context.micro_batches.largest,
        }

    def seconds(self, *stages: str) -> float:
        """Seconds spent so far in these stages; in all stages if none is named."""
        spent: dict[str, float] = self.cost()["stage_seconds"]
        return sum(spent[stage] for stage in stages or spent)
