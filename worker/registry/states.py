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
        """Whether nothing more happens to the job unless someone retries it."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class JobKind(StrEnum):
    """What a job does."""

    REGISTER_TASK = "register_task"
    RECOMMEND = "recommend"
    DISTANCES = "distances"
    TRAIN_ARCHITECTURE = "train_architecture"


class DeliveryState(StrEnum):
    """What became of a webhook's message."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class TaskRole(StrEnum):
    """Whether a task is known (a baseline) or asked about (a target)."""

    BASELINE = "baseline"
    TARGET = "target"


class Scope(StrEnum):
    """What a key may do; each includes the one before."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: "Scope") -> bool:
        """Whether a key of this scope may do what needs the other."""
        ladder = list(Scope)
        return ladder.index(self) >= ladder.index(other)
