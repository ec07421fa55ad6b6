"""The params of each kind of job, as far as its runner reads them."""

from worker.specification.base import Stored
from worker.specification.parts import Objective, StudyRequest


class RecommendationParams(Stored):
    """The recommendation, and its target."""

    recommendation_id: str
    task_id: str


class RegistrationParams(Stored):
    """The baseline to prepare, and the study of its cells.

    Attributes:
        study: the requested study; None if none was requested.
        default_study: whether a baseline without a requested study gets the default one.
    """

    task_id: str
    study: StudyRequest | None = None
    default_study: bool = False


class StudyParams(Stored):
    """The baseline whose cells to train.

    Attributes:
        idle: whether a dispatcher queued the study because no job waited; it gives way to other jobs.
    """

    task_id: str
    study: StudyRequest
    idle: bool = False


class ColumnParams(Stored):
    """A column of distances.

    Attributes:
        sources: ids of baselines; None for all of them.
        measures: names; the first one ranks.
        repetitions: the networks of each task to compare; None for as many as the target has.
    """

    target_task_id: str
    measures: list[str]
    sources: list[str] | None = None
    repetitions: int | None = None


class TrainingParams(Stored):
    """The architecture to train again, the id of the new one, and the task with the new data."""

    architecture_id: str
    source_architecture_id: str
    task_id: str
    objective: Objective = "accuracy"
