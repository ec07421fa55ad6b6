"""Everything stored in SQL: the queue, the tasks, the results. No other package contains SQL.

Other packages import from here, and migrations from `schema`, which loads Alembic.
"""

from worker.registry.base import DatabaseNow, new_id
from worker.registry.bundles import TABLES, Imported, Rows, completed, fault_of
from worker.registry.counters import Happening, TallyFigure
from worker.registry.datasets import SCHEME
from worker.registry.folding import FOLDED_AT_ONCE, Folding
from worker.registry.keys import ACTIVE_KEY, ANY_KEY, COARSE_SECONDS, KEYS_OF_PREFIX, SESSIONS_OF_ID
from worker.registry.leases import LeaseStatus
from worker.registry.listings import (
    ARCHITECTURES,
    JOBS,
    RECOMMENDATIONS,
    TASKS,
    ListedRecommendation,
    Listing,
    architecture_of,
    listed_task,
    page_of,
)
from worker.registry.matrix import MatrixEntry, MeasuredRepetition, spread
from worker.registry.polling import EVENTS, JOB, RECOMMENDATION, events_of, job_of, recommendation_of
from worker.registry.postgresql import CLEANER_LIMITS, LIMITS, LONG_LIMITS, Limits
from worker.registry.queue_stats import QueueFigures
from worker.registry.quick_reader import Question, QuickReader
from worker.registry.recommendations import RecommendationLine
from worker.registry.registry import Registry
from worker.registry.retention import REMOVED_AT_ONCE, UNTRAINED, Removable
from worker.registry.revisions import MATRIX_REVISION, revision_of
from worker.registry.session import Engine, open_engine, read_only, reading, unit_of_work
from worker.registry.states import DeliveryState, JobKind, JobState, Scope, TaskRole
from worker.registry.tables import (
    ApiKeyRow,
    ArchitectureRow,
    ArtifactRow,
    BrowserSessionRow,
    CellTrainingRow,
    DatasetRow,
    DistanceRow,
    FisherSummaryRow,
    GenotypeRow,
    JobEventRow,
    JobMemoRow,
    JobRow,
    NetworkRow,
    RecommendationRow,
    RevisionMarkRow,
    RevisionRow,
    TallyDeltaRow,
    TallyRow,
    TaskCellRow,
    TaskGenotypeRow,
    TaskNetworkRow,
    TaskRow,
    WebhookDeliveryRow,
    WebhookRow,
    WorkerRow,
)
from worker.registry.task_results import CellTraining, TaskCell, TaskFigure, TaskTraining
from worker.registry.transitions import ADVANCED_IN
from worker.registry.webhooks import ClaimedDelivery, WebhookStatus
from worker.registry.workers import SeenWorker

__all__ = [
    "ACTIVE_KEY",
    "ADVANCED_IN",
    "ANY_KEY",
    "ARCHITECTURES",
    "CLEANER_LIMITS",
    "COARSE_SECONDS",
    "EVENTS",
    "FOLDED_AT_ONCE",
    "JOB",
    "JOBS",
    "KEYS_OF_PREFIX",
    "LIMITS",
    "LONG_LIMITS",
    "MATRIX_REVISION",
    "RECOMMENDATION",
    "RECOMMENDATIONS",
    "REMOVED_AT_ONCE",
    "SCHEME",
    "SESSIONS_OF_ID",
    "TABLES",
    "TASKS",
    "UNTRAINED",
    "ApiKeyRow",
    "ArchitectureRow",
    "ArtifactRow",
    "BrowserSessionRow",
    "CellTraining",
    "CellTrainingRow",
    "ClaimedDelivery",
    "DatabaseNow",
    "DatasetRow",
    "DeliveryState",
    "DistanceRow",
    "Engine",
    "FisherSummaryRow",
    "Folding",
    "GenotypeRow",
    "Happening",
    "Imported",
    "JobEventRow",
    "JobKind",
    "JobMemoRow",
    "JobRow",
    "JobState",
    "LeaseStatus",
    "Limits",
    "ListedRecommendation",
    "Listing",
    "MatrixEntry",
    "MeasuredRepetition",
    "NetworkRow",
    "Question",
    "QueueFigures",
    "QuickReader",
    "RecommendationLine",
    "RecommendationRow",
    "Registry",
    "Removable",
    "RevisionMarkRow",
    "RevisionRow",
    "Rows",
    "Scope",
    "SeenWorker",
    "TallyDeltaRow",
    "TallyFigure",
    "TallyRow",
    "TaskCell",
    "TaskCellRow",
    "TaskFigure",
    "TaskGenotypeRow",
    "TaskNetworkRow",
    "TaskRole",
    "TaskRow",
    "TaskTraining",
    "WebhookDeliveryRow",
    "WebhookRow",
    "WebhookStatus",
    "WorkerRow",
    "architecture_of",
    "completed",
    "events_of",
    "fault_of",
    "job_of",
    "listed_task",
    "new_id",
    "open_engine",
    "page_of",
    "read_only",
    "reading",
    "recommendation_of",
    "revision_of",
    "spread",
    "unit_of_work",
]
