"""The columns of a new task's row, for requests that train its networks."""

from service.api.submissions.references import CheckedTask, checked_data, checked_network
from service.schemas.tasks import TaskRequest
from worker.settings import Settings
from worker.specification import RecommendationRequest


def checked_task(request: TaskRequest | RecommendationRequest, settings: Settings) -> CheckedTask:
    """The task with the columns that tasks of both kinds have, after all checks that cost only a few stat calls."""
    data = checked_data(request, settings)
    columns = {
        **data.columns,
        **checked_network(request),
        "epsilon": request.epsilon,
        "seed": request.seed,
        "image_size": request.image_size,
    }
    return CheckedTask(data.reference, columns)
