"""What clients may request: each field with its default and its limits, once for the API and for the runner.

No module here loads torch or SQL: the API validates a body with these classes, and the runner reads the stored request
with them.
"""

from worker.specification.base import (
    BASELINE_NAME,
    LARGEST_SEED,
    LONGEST_NAME,
    FormText,
    Fraction,
    ImageSize,
    Name,
    PlainText,
    Request,
    Seed,
)
from worker.specification.params import (
    ColumnParams,
    RecommendationParams,
    RegistrationParams,
    StudyParams,
    TrainingParams,
)
from worker.specification.parts import (
    DatasetRequest,
    FirstStudyRequest,
    FractionsRequest,
    GenotypeRequest,
    LabelsRequest,
    Measure,
    NetworkField,
    Objective,
    OwnNetwork,
    StandingMeasure,
    StudyRequest,
)
from worker.specification.patterns import NAME_PATTERN
from worker.specification.recommendation import (
    DEFAULT_ITERATIONS,
    RACE,
    RACE_SECONDS,
    REPETITIONS,
    BudgetRequest,
    ConstraintsRequest,
    FinalRequest,
    RecommendationRequest,
    SearchRequest,
    Strategy,
    form_text,
)
from worker.specification.webhook import WebhookRequest

__all__ = [
    "BASELINE_NAME",
    "DEFAULT_ITERATIONS",
    "LARGEST_SEED",
    "LONGEST_NAME",
    "NAME_PATTERN",
    "RACE",
    "RACE_SECONDS",
    "REPETITIONS",
    "BudgetRequest",
    "ColumnParams",
    "ConstraintsRequest",
    "DatasetRequest",
    "FinalRequest",
    "FirstStudyRequest",
    "FormText",
    "Fraction",
    "FractionsRequest",
    "GenotypeRequest",
    "ImageSize",
    "LabelsRequest",
    "Measure",
    "Name",
    "NetworkField",
    "Objective",
    "OwnNetwork",
    "PlainText",
    "RecommendationParams",
    "RecommendationRequest",
    "RegistrationParams",
    "Request",
    "SearchRequest",
    "Seed",
    "StandingMeasure",
    "Strategy",
    "StudyParams",
    "StudyRequest",
    "TrainingParams",
    "WebhookRequest",
    "form_text",
]
