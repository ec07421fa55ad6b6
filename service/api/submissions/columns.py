"""The columns of a new task's row, for all kinds of requests."""

from typing import Any

from service.api.submissions.references import checked_data, checked_network
from service.schemas.recommendations import RecommendationRequest
from service.schemas.tasks import TaskRequest
from worker.settings import Settings


def task_columns(request: TaskRequest | RecommendationRequest, settings: Settings) -> dict[str, Any]:
    """The columns that every task has, after all checks that cost only a few stat calls."""
    data = checked_data(request, settings)
    return {
        **data,
        **checked_network(request),
        "epsilon": request.epsilon,
        "seed": request.seed,
        "image_size": request.image_size,
    }
