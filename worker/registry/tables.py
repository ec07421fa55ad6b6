"""Every table: the queue, datasets and tasks, results, access, counters, webhooks, workers.

Rows with a content key are written once and never changed; a second writer gets the first writer's row.
Fractions (accuracies) lie in [0, 1]; times are seconds since the epoch on the database's clock.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    Enum,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from worker.registry.base import JSON_OR_NULL, Base, DatabaseNow, new_id
from worker.registry.states import JobState

MAX_ATTEMPTS = 3
"""A job fails after this many attempts that got no further than the ones before."""

_STATE = Enum(JobState, native_enum=False, length=16, values_callable=lambda states: [state.value for state in states])


class JobRow(Base):
    """One piece of work. `attempt` only grows, and every write of a runner names it.

    `furthest` is the largest fraction of the job, in [0, 1], that any unsuccessful attempt has reached.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name="lease_while_running"),
        UniqueConstraint("owner", "idempotency_key"),
        Index("ix_jobs_due", "state", "run_after"),
        Index("ix_jobs_newest", "created_at", "id"),
        Index("ix_jobs_newest_by_kind", "kind", "created_at", "id"),
        Index("ix_jobs_newest_by_state", "state", "created_at", "id"),
        Index("ix_jobs_newest_by_kind_and_state", "kind", "state", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(32))
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    owner: Mapped[str] = mapped_column(String(64))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    request_hash: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(64))
    traceparent: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[JobState] = mapped_column(_STATE, default=JobState.QUEUED)
    priority: Mapped[int] = mapped_column(Integer, default=0)
    run_after: Mapped[float] = mapped_column(Double, default=DatabaseNow())
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    max_attempts: Mapped[int] = mapped_column(Integer, default=MAX_ATTEMPTS)
    lease_owner: Mapped[str | None] = mapped_column(String(255))
    lease_until: Mapped[float | None] = mapped_column(Double)
    cancel_requested_at: Mapped[float | None] = mapped_column(Double)
    published_at: Mapped[float | None] = mapped_column(Double)
    micro_batch: Mapped[int | None] = mapped_column(Integer)
    killed_in: Mapped[str | None] = mapped_column(String(32))
    stage: Mapped[str | None] = mapped_column(String(32))
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    progress_seq: Mapped[int] = mapped_column(Integer, default=0)
    progressed_at: Mapped[float | None] = mapped_column(Double)
    furthest: Mapped[float | None] = mapped_column(Double)
    checkpoint: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
    started_at: Mapped[float | None] = mapped_column(Double)
    finished_at: Mapped[float | None] = mapped_column(Double)


class JobEventRow(Base):
    """An event of a job, written in the transaction that caused it."""

    __tablename__ = "job_events"
    __table_args__ = (Index("ix_job_events_job_id_id", "job_id", "id"),)

    # SQLite numbers rows by itself only in a column of type INTEGER.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())


class JobMemoRow(Base):
    """A value that an attempt at a job computed, as JSON. The first one under a name stays, for later attempts."""

    __tablename__ = "job_memos"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)


class DatasetRow(Base):
    """A file that was uploaded under a name: images with labels, or the weights of a network.

    `sha256` is the artifact with the file, `reference` the columns and the value range stated at the upload, `digest`
    that of the images as they are decoded, `classes` the images of each class in each split, `samples` the artifact
    with a few of them, `wide_values` the values of images with more than 8 bits (`WideValues.to_json`; None without
    such images), `warnings` the sentences on files that are not read and on doubtful classes. `digest`, `classes`,
    `left_out` and `samples` are None for weights, `tensors` and `parameters` for images, `warnings` for weights and for
    datasets of earlier releases.
    """

    __tablename__ = "datasets"
    __table_args__ = (Index("ix_datasets_newest", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    reference: Mapped[dict[str, Any]] = mapped_column(JSON)
    sha256: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str | None] = mapped_column(String(64))
    classes: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON_OR_NULL)
    left_out: Mapped[int | None] = mapped_column(Integer)
    warnings: Mapped[list[str] | None] = mapped_column(JSON_OR_NULL)
    wide_values: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    samples: Mapped[str | None] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    tensors: Mapped[int | None] = mapped_column(Integer)
    parameters: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())


class TaskRow(Base):
    """A dataset with a label mapping. The columns that the worker fills (digests, classes, counts) are None until then.

    `class_counts` are the images of each class in each split. The API fills it where it knows the dataset's classes.
    `weights` names the dataset with the weights of its one network, if the client uploaded them. `seen_images` is the
    artifact that lists the images that training and validation read, `samples` the one with a picture of a few of them.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        Index(
            "uq_tasks_baseline_name",
            "name",
            unique=True,
            sqlite_where=text("role = 'baseline'"),
            postgresql_where=text("role = 'baseline'"),
        ),
        Index("ix_tasks_newest", "created_at", "id"),
        Index("ix_tasks_newest_by_role", "role", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(255), index=True)
    role: Mapped[str] = mapped_column(String(16))
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    dataset: Mapped[dict[str, Any]] = mapped_column(JSON)
    labels: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    architecture: Mapped[str | None] = mapped_column(String(64))
    weights: Mapped[str | None] = mapped_column(String(255))
    epsilon: Mapped[float] = mapped_column(Double)
    repetitions: Mapped[int] = mapped_column(Integer)
    seed: Mapped[int] = mapped_column(BigInteger)
    image_size: Mapped[int | None] = mapped_column(Integer)
    dataset_digest: Mapped[str | None] = mapped_column(String(64))
    mapping_digest: Mapped[str | None] = mapped_column(String(64))
    preprocessing_digest: Mapped[str | None] = mapped_column(String(64))
    class_names: Mapped[list[str] | None] = mapped_column(JSON_OR_NULL)
    counts: Mapped[dict[str, int] | None] = mapped_column(JSON_OR_NULL)
    class_counts: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON_OR_NULL)
    seen_images: Mapped[str | None] = mapped_column(String(64))
    samples: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())


class NetworkRow(Base):
    """A trained network; `weights` is the digest of its artifact, `key` the digest of everything that it depends on.

    `test` holds the test evaluation, if the network was the result of a job; `micro_batch` the number of images at a
    time, if memory did not suffice for its batches.
    """

    __tablename__ = "networks"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    architecture: Mapped[str] = mapped_column(String(64))
    seed: Mapped[int] = mapped_column(BigInteger)
    classes: Mapped[int] = mapped_column(Integer)
    weights: Mapped[str] = mapped_column(String(64))
    parameters: Mapped[int] = mapped_column(BigInteger)
    validation_accuracy: Mapped[float] = mapped_column(Double)
    validation_balanced_accuracy: Mapped[float] = mapped_column(Double)
    test: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    micro_batch: Mapped[int | None] = mapped_column(Integer)
    seconds: Mapped[float] = mapped_column(Double)
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())


class TaskNetworkRow(Base):
    """Repetition r of a task is this network; tasks of equal content share networks."""

    __tablename__ = "task_networks"
    __table_args__ = (Index("ix_task_networks_network", "network_key", "repetition", "task_id"),)

    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True)
    repetition: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    network_key: Mapped[str] = mapped_column(ForeignKey("networks.key"))


class GenotypeRow(Base):
    """A cell that one search sampled, with its score there (None if it was given, not scored)."""

    __tablename__ = "genotypes"
    __table_args__ = (UniqueConstraint("search_key", "position"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    search_key: Mapped[str] = mapped_column(String(64))
    position: Mapped[int] = mapped_column(Integer)
    digest: Mapped[str] = mapped_column(String(64))
    genotype: Mapped[dict[str, Any]] = mapped_column(JSON)
    origin: Mapped[str] = mapped_column(String(16))
    validation_accuracy: Mapped[float | None] = mapped_column(Double)
    validation_balanced_accuracy: Mapped[float | None] = mapped_column(Double)
    epochs: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())


class TaskGenotypeRow(Base):
    """The link from a task to one of its genotypes."""

    __tablename__ = "task_genotypes"

    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True)
    genotype_id: Mapped[str] = mapped_column(ForeignKey("genotypes.id"), primary_key=True, index=True)


class TaskCellRow(Base):
    """A trained cell of a task: the design of its network (`CellDesign.to_json`), with the network's weights.

    Only cells that began with fresh weights have a row: no other images than the task's own formed their weights.
    """

    __tablename__ = "task_cells"

    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True)
    network_key: Mapped[str] = mapped_column(ForeignKey("networks.key"), primary_key=True, index=True)
    design: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())


class CellTrainingRow(Base):
    """One training of a cell on a task's images, with its scores on the validation images.

    `key` is the content key of the trained network, whose own row may be gone unless `task_cells` names it. `epochs` is
    None for the winner of a race, which trained in several cycles.
    """

    __tablename__ = "cell_trainings"

    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    genotype: Mapped[dict[str, Any]] = mapped_column(JSON)
    skeleton: Mapped[dict[str, Any]] = mapped_column(JSON)
    epochs: Mapped[int | None] = mapped_column(Integer)
    seed: Mapped[int] = mapped_column(BigInteger)
    validation_accuracy: Mapped[float] = mapped_column(Double)
    validation_loss: Mapped[float] = mapped_column(Double)
    standard_error: Mapped[float] = mapped_column(Double)
    seconds: Mapped[float] = mapped_column(Double)
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())


class FisherSummaryRow(Base):
    """Per-tensor sums of one network's Fisher diagonal; `network_key` may also name an untrained network."""

    __tablename__ = "fisher_summaries"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    network_key: Mapped[str] = mapped_column(String(255), index=True)
    data_key: Mapped[str] = mapped_column(String(64))
    recipe_digest: Mapped[str] = mapped_column(String(64))
    summary: Mapped[dict[str, Any]] = mapped_column(JSON)
    samples: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())


class DistanceRow(Base):
    """The distance from one network to another on one task's data. All numbers are finite.

    `value` may be negative by `logme` and `task2vec_asymmetric`, never by another measure; `signed` has the direction.
    `standard_error` is the sampling error over images, in the measure's unit; `contributions` are `[layer, value]` and
    add up to `value`. Both are None if the measure has none.
    """

    __tablename__ = "distances"
    __table_args__ = (
        # Covers a column of the matrix, so that it is read without the rows and their contributions.
        Index(
            "ix_distances_column",
            *("target_network", "measure", "recipe_digest", "source_network", "created_at", "data_key", "value"),
        ),
    )

    source_network: Mapped[str] = mapped_column(String(255), primary_key=True)
    target_network: Mapped[str] = mapped_column(String(255), primary_key=True)
    data_key: Mapped[str] = mapped_column(String(64), primary_key=True)
    measure: Mapped[str] = mapped_column(String(64), primary_key=True)
    recipe_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[float] = mapped_column(Double)
    signed: Mapped[float] = mapped_column(Double)
    standard_error: Mapped[float | None] = mapped_column(Double)
    contributions: Mapped[list[tuple[str, float]] | None] = mapped_column(JSON_OR_NULL)
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())


class RevisionRow(Base):
    """The token of a part of the registry, as written by programs before migration 0012; see `RevisionMark`."""

    __tablename__ = "revisions"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    token: Mapped[str] = mapped_column(String(32))


class RevisionMarkRow(Base):
    """One change of a part of the registry: a random number that adds to the part's token (`revisions`)."""

    __tablename__ = "revision_marks"
    __table_args__ = (Index("ix_revision_marks_sum", "name", "number"),)

    # SQLite numbers rows by itself only in a column of type INTEGER.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(32))
    number: Mapped[int] = mapped_column(BigInteger)


class RecommendationRow(Base):
    """A request and the parts of its answer known so far. `task_id` may outlive its task (no foreign key)."""

    __tablename__ = "recommendations"
    __table_args__ = (Index("ix_recommendations_newest", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    name: Mapped[str | None] = mapped_column(String(255))
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), unique=True)
    task_id: Mapped[str] = mapped_column(String(32), index=True)
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    document: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())


class ArchitectureRow(Base):
    """A finished network: its design, its scores, and its files (artifact digests).

    `genotype` and `skeleton` are those of a cell, None for a network without one. `design` is None in rows from before
    migration 0014, which are all cells.
    """

    __tablename__ = "architectures"
    __table_args__ = (Index("ix_architectures_newest", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    recommendation_id: Mapped[str | None] = mapped_column(
        ForeignKey("recommendations.id", ondelete="SET NULL"), unique=True
    )
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    name: Mapped[str] = mapped_column(String(255))
    design: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    genotype: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    skeleton: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    class_names: Mapped[list[str]] = mapped_column(JSON)
    preprocessing: Mapped[dict[str, Any]] = mapped_column(JSON)
    parameters: Mapped[int] = mapped_column(BigInteger)
    macs: Mapped[int] = mapped_column(BigInteger)
    validation: Mapped[dict[str, Any]] = mapped_column(JSON)
    test: Mapped[dict[str, Any]] = mapped_column(JSON)
    weights: Mapped[str] = mapped_column(String(64))
    code: Mapped[str] = mapped_column(String(64))
    program: Mapped[str] = mapped_column(String(64))
    onnx: Mapped[str] = mapped_column(String(64))
    card: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())

    @property
    def network_design(self) -> dict[str, Any]:
        """The design of the network, also in a row from before migration 0014."""
        return self.design or {"kind": "cell", "genotype": self.genotype, "skeleton": self.skeleton}

    @property
    def image_size(self) -> int:
        """Side of the network's square input, in pixels."""
        size: int = self.preprocessing["image_size"]
        return size


class ArtifactRow(Base):
    """A file of the artifact store by its SHA-256."""

    __tablename__ = "artifacts"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())


class ApiKeyRow(Base):
    """A bearer key. Its text is not stored; `hash` is the text's SHA-256, `prefix` its start, to recognise it by.

    Only one active key has a name; after the key is revoked, a new key may take the name. `quota` is the number of
    unfinished recommendations that it may have, None for the service's setting. `last_used_at` is coarse.
    """

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("scope IN ('read', 'write', 'admin')", name="known_scope"),
        Index(
            "uq_api_keys_active_name",
            "name",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(255))
    prefix: Mapped[str] = mapped_column(String(16), index=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    scope: Mapped[str] = mapped_column(String(16))
    quota: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
    last_used_at: Mapped[float | None] = mapped_column(Double)
    revoked_at: Mapped[float | None] = mapped_column(Double)


class BrowserSessionRow(Base):
    """A browser session that a key opened; it ends at its expiry, at logout, and when its key is revoked."""

    __tablename__ = "browser_sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), index=True)
    hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
    expires_at: Mapped[float] = mapped_column(Double)


class TallyRow(Base):
    """The number of events of jobs of a kind, and their seconds, as far as they are folded.

    Stored separately from the jobs and their events, because these are removed eventually and a counter must never
    decrease.
    """

    __tablename__ = "tallies"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    label: Mapped[str] = mapped_column(String(64), primary_key=True)
    occurrences: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float] = mapped_column(Double)


class TallyDeltaRow(Base):
    """The increment of a tally by one transaction: inserted, never updated, so that no two transactions wait for each
    other.

    The cleaner folds old ones into `tallies`; a tally is the sum of both.
    """

    __tablename__ = "tally_deltas"

    # SQLite numbers rows by itself only in a column of type INTEGER.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(32))
    label: Mapped[str] = mapped_column(String(64))
    occurrences: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float] = mapped_column(Double)


class WebhookRow(Base):
    """The URL that receives the ends of a job, and the secret that signs them. The client sets both; no response has
    them.

    `secret` becomes None when nothing is left to sign.
    """

    __tablename__ = "webhooks"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    url: Mapped[str] = mapped_column(String(1024))
    secret: Mapped[str | None] = mapped_column(String(128))
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())


class WebhookDeliveryRow(Base):
    """One end of a job, sent until the receiver accepts it; inserted in the transaction that ends the job.

    `id` is the `webhook-id` of every attempt, `body` the exact text that is signed and sent. A process that
    tries takes the next number of `attempts` and names it in its writes; after `due_at` another process may try.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("ix_webhook_deliveries_due", "state", "due_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("webhooks.job_id", ondelete="CASCADE"), index=True)
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
    last_status: Mapped[int | None] = mapped_column(Integer)
    last_error: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
    ended_at: Mapped[float | None] = mapped_column(Double)


class WorkerRow(Base):
    """One run of a worker process, which renews `seen_at` every `heartbeat_seconds`; deleted when it shuts down
    cleanly.

    `name` begins the `lease_owner` of every job that it holds. `gpus` are the GPUs of its host: `index`, `name`,
    `memory_used_bytes`, `memory_total_bytes`.
    """

    __tablename__ = "workers"
    __table_args__ = (Index("ix_workers_seen_at", "seen_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    host: Mapped[str] = mapped_column(String(128))
    devices: Mapped[list[str]] = mapped_column(JSON)
    gpus: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    version: Mapped[str] = mapped_column(String(64))
    heartbeat_seconds: Mapped[float] = mapped_column(Double)
    started_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
    seen_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
