"""The metrics of `/metrics`: this process's requests, and from SQL the work of all processes."""

import threading
import time
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from service.api.telemetry.requests import SeenRequest
from worker.errors import DatabaseUnavailableError
from worker.registry import Engine, Happening, JobKind, JobState, QueueFigures, SeenWorker, TallyFigure, reading

CACHED_SECONDS = 5.0
"""How long metrics from SQL are cached."""

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The metrics of one API process."""

    def __init__(self, engine: Engine) -> None:
        self._everything = CollectorRegistry()
        self._requests = Counter(
            "ldnas_requests",
            "Requests that this process answered, by route; 'none' for unknown paths.",
            ["method", "route", "status"],
            registry=self._everything,
        )
        self._seconds = Histogram(
            "ldnas_request_seconds",
            "Seconds until the answer to a request began, in this process.",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self._everything,
        )
        ProcessCollector(registry=self._everything)
        self._everything.register(SqlCollector(engine))
        self._unreachable = CollectorRegistry()
        self._unreachable.register(_Unreachable())

    def count(self, request: SeenRequest) -> None:
        """Counts one request."""
        self._requests.labels(request.method, request.route, str(request.status)).inc()
        self._seconds.labels(request.method, request.route).observe(request.seconds)

    def exposition(self, accept: str, *, complete: bool) -> tuple[bytes, str]:
        """The metrics in the format of Prometheus, and their media type.

        Args:
            accept: the request's `Accept` header.
            complete: False returns only the metric that the database is unreachable.
        """
        encode, media_type = choose_encoder(accept)
        return encode(self._everything if complete else self._unreachable), media_type


class SqlCollector(Collector):
    """The queue and workers of the whole installation; every API process reports the same values."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._cached: list[Metric] = []
        self._cached_until = 0.0

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering the collector must not read a database that may not exist yet."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The cached metrics if they are recent, else new ones."""
        with self._lock:
            if time.monotonic() >= self._cached_until:
                self._cached = [*self._read()]
                self._cached_until = time.monotonic() + CACHED_SECONDS
            return self._cached

    def _read(self) -> Iterator[Metric]:
        try:
            with reading(self._engine) as registry:
                queue, workers = registry.figures.queue(), registry.workers.list()
        except DatabaseUnavailableError:
            yield _reachable(False)
            return
        yield _reachable(True)
        yield from _queue_metrics(queue)
        yield from _tally_metrics(queue)
        yield from _worker_metrics([seen for seen in workers if seen.alive])


class _Unreachable(Collector):
    def collect(self) -> Iterable[Metric]:
        yield _reachable(False)


def _reachable(answer: bool) -> Metric:
    return GaugeMetricFamily("ldnas_database_reachable", "1 if the database answers, else 0.", value=float(answer))


def _queue_metrics(queue: QueueFigures) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("ldnas_jobs", "Stored jobs, by kind and state.", labels=["kind", "state"])
    oldest = GaugeMetricFamily(
        "ldnas_oldest_due_job_seconds", "Seconds that the oldest job ready for a worker has waited.", labels=["kind"]
    )
    for kind in sorted({*JobKind, *(kind for kind, _ in queue.jobs)}):
        for state in JobState:
            jobs.add_metric([kind, state.value], queue.jobs.get((kind, state), 0))
        oldest.add_metric([kind], queue.oldest_due_seconds.get(kind, 0.0))
    yield jobs
    yield oldest


def _tally_metrics(queue: QueueFigures) -> Iterator[Metric]:
    ended = CounterMetricFamily(
        "ldnas_jobs_ended", "Jobs that ended since the installation, by kind and state.", labels=["kind", "state"]
    )
    # These and the failures that alerts wait for are reported even if 0, like those of _by_kind.
    ends = {(str(kind), str(state)): 0 for kind in JobKind for state in JobState if state.ended}
    for place, occurrences in sorted((ends | _by_label(queue, Happening.END)).items()):
        ended.add_metric(place, occurrences)
    yield ended
    failures = CounterMetricFamily(
        "ldnas_job_failures", "Jobs that failed for good, by kind and error code.", labels=["kind", "code"]
    )
    alerting = {(str(kind), code): 0 for kind in JobKind for code in ("attempts_exhausted", "internal")}
    for place, occurrences in sorted((alerting | _by_label(queue, Happening.FAILURE)).items()):
        failures.add_metric(place, occurrences)
    yield failures
    yield _by_kind(queue, Happening.LOST_LEASE, "ldnas_lease_losses", "Attempts whose worker was lost.")
    described = "Attempts that ended without a result and count as failed, including lost leases."
    yield _by_kind(queue, Happening.FAILED_ATTEMPT, "ldnas_failed_attempts", described)
    stages = SummaryMetricFamily("ldnas_stage_seconds", "Seconds of completed stages.", labels=["kind", "stage"])
    for row in _counted(queue, Happening.STAGE):
        stages.add_metric([row.kind, row.label], count_value=row.occurrences, sum_value=row.seconds)
    yield stages
    yield from _webhook_metrics(queue)


def _webhook_metrics(queue: QueueFigures) -> Iterator[Metric]:
    attempts = CounterMetricFamily(
        "ldnas_webhook_attempts",
        "Attempts to send a webhook since the installation: delivered, failed (will be repeated), given_up.",
        labels=["outcome"],
    )
    counted = dict.fromkeys(("delivered", "failed", "given_up"), 0)
    for row in _counted(queue, Happening.WEBHOOK):
        counted[row.label] = counted.get(row.label, 0) + row.occurrences
    for outcome, occurrences in counted.items():
        attempts.add_metric([outcome], occurrences)
    yield attempts
    yield GaugeMetricFamily(
        "ldnas_webhooks_pending", "Webhook messages that are not delivered yet.", value=queue.webhooks_pending
    )
    described = "Seconds that the oldest webhook message ready to be sent has waited."
    yield GaugeMetricFamily("ldnas_oldest_due_webhook_seconds", described, value=queue.oldest_due_webhook_seconds)


def _by_kind(queue: QueueFigures, happening: Happening, name: str, documentation: str) -> Metric:
    # Reported even if 0: a counter that appears with its first event hides that event from rate().
    family = CounterMetricFamily(name, documentation, labels=["kind"])
    counted = dict.fromkeys(map(str, JobKind), 0) | {row.kind: row.occurrences for row in _counted(queue, happening)}
    for kind, occurrences in sorted(counted.items()):
        family.add_metric([kind], occurrences)
    return family


def _counted(queue: QueueFigures, happening: Happening) -> list[TallyFigure]:
    return [row for row in queue.tallies if row.name == happening]


def _by_label(queue: QueueFigures, happening: Happening) -> dict[tuple[str, str], int]:
    return {(row.kind, row.label): row.occurrences for row in _counted(queue, happening)}


def _worker_metrics(alive: list[SeenWorker]) -> Iterator[Metric]:
    yield GaugeMetricFamily("ldnas_workers", "Workers that were seen within three heartbeats.", value=len(alive))
    slots = sum(len(seen.row.devices) for seen in alive)
    yield GaugeMetricFamily("ldnas_worker_slots", "Jobs that these workers can run at the same time.", value=slots)
    used = GaugeMetricFamily(
        "ldnas_gpu_memory_used_bytes", "Memory in use on a GPU, by all programs.", labels=["host", "gpu"]
    )
    total = GaugeMetricFamily("ldnas_gpu_memory_bytes", "Total memory of a GPU.", labels=["host", "gpu"])
    # Several workers on one host report the same GPUs; the most recent report is used.
    gpus = {
        (seen.row.host, str(gpu["index"])): gpu
        for seen in sorted(alive, key=lambda seen: seen.row.seen_at)
        for gpu in seen.row.gpus
    }
    for place, gpu in sorted(gpus.items()):
        used.add_metric(place, gpu["memory_used_bytes"])
        total.add_metric(place, gpu["memory_total_bytes"])
    yield used
    yield total
