"""The words for jobs, tasks and keys that the database stores."""

from enum import StrEnum


class JobState(StrEnum):
    """queued → running → succeeded | failed | cancelled; running → queued on waiting, release or a lost lease."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the job has ended; only a retry changes it again."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class JobKind(StrEnum):
    """The kind of a job."""

    REGISTER_TASK = "register_task"
    RECOMMEND = "recommend"
    DISTANCES = "distances"
    TRAIN_ARCHITECTURE = "train_architecture"
    STUDY = "study"


class DeliveryState(StrEnum):
    """The state of a webhook's delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class TaskRole(StrEnum):
    """Whether a task is a baseline or the target of a recommendation."""

    BASELINE = "baseline"
    TARGET = "target"


class Scope(StrEnum):
    """The permissions of a key; each scope includes the one before."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: "Scope") -> bool:
        """Whether this scope permits everything that the other scope permits."""
        ladder = list(Scope)
        return ladder.index(self) >= ladder.index(other)
