"""The registry of one transaction: each attribute gives access to its tables."""

from sqlalchemy.orm import Session

from worker.registry.architectures import Architectures
from worker.registry.bundles import Bundles
from worker.registry.datasets import Datasets
from worker.registry.folding import Folding
from worker.registry.idle_studies import IdleStudies
from worker.registry.jobs import Jobs
from worker.registry.keys import Keys
from worker.registry.leases import Leases
from worker.registry.memos import Memos
from worker.registry.queue_stats import Figures
from worker.registry.recommendations import Recommendations
from worker.registry.results import Results
from worker.registry.retention import Removable
from worker.registry.task_results import TaskResults
from worker.registry.tasks import Tasks
from worker.registry.webhooks import Webhooks
from worker.registry.workers import Workers


class Registry:
    """Everything stored in SQL, within one transaction (`session.unit_of_work` or `session.reading`)."""

    def __init__(self, session: Session) -> None:
        self.jobs = Jobs(session)
        self.leases = Leases(session)
        self.memos = Memos(session)
        self.datasets = Datasets(session)
        self.tasks = Tasks(session)
        self.results = Results(session)
        self.recommendations = Recommendations(session)
        self.architectures = Architectures(session)
        self.keys = Keys(session)
        self.bundles = Bundles(session)
        self.figures = Figures(session)
        self.task_results = TaskResults(session)
        self.workers = Workers(session)
        self.webhooks = Webhooks(session)
        self.removable = Removable(session)
        self.folding = Folding(session)
        self.idle_studies = IdleStudies(session)
