"""The seconds and the device of a recommendation, as far as they are known before a worker begins."""

from collections.abc import Collection
from typing import Any

from worker.specification import DEFAULT_ITERATIONS, RACE, RecommendationRequest


def expectation_of(request: RecommendationRequest, default_seconds: float, devices: Collection[str]) -> dict[str, Any]:
    """The part `expected` of a new answer, without the images, which the target has; `devices` of all living workers.

    A race takes the seconds of its budget. How long a search takes that has a number of iterations depends on its
    network, which a worker measures: its forecast is `search.forecast`.
    """
    budget = request.budget
    seconds = None if budget is None else budget.seconds
    if budget is None and request.strategy == RACE:
        seconds = default_seconds
    iterations = None
    if seconds is None:
        iterations = DEFAULT_ITERATIONS if budget is None else budget.iterations
    return {
        "seconds": seconds,
        "iterations": iterations,
        "is_default": budget is None,
        "device": _device(devices),
    }


def _device(devices: Collection[str]) -> str | None:
    """The kind of device that all workers have; None where they differ, before it is known, and without any."""
    kinds = {device.partition(":")[0] for device in devices}
    return kinds.pop() if len(kinds) == 1 and "auto" not in kinds else None
