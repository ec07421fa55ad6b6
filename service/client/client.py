"""The client: the calls of the API as Python methods."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from service.client.architectures import ArchitectureCalls
from service.client.connection import given, reference
from service.client.datasets import DatasetCalls
from service.client.documents import DistanceMatrix, Recommendation, read
from service.client.events import Event
from service.client.submission import Submission, SubmissionGroup
from service.schemas.answer import RecommendationSummary
from service.schemas.base import Json
from service.schemas.distances import DistanceDetail
from service.schemas.evaluation import Evaluation
from service.schemas.jobs import Job
from service.schemas.tasks import Task, TaskSummary


class Client(ArchitectureCalls, DatasetCalls):
    """A client of one service, over HTTP.

    Args:
        base_url: address of the service, as `http://127.0.0.1:8000`.
        api_key: sent as a bearer token, if the service requires a key.
        absence_seconds: how long calls that wait for a job tolerate that the service does not answer.
        request_seconds: timeout of one request.
        transport: replaces the network in tests.

    The calls return the API's documents as frozen models, which are also mappings of the JSON that the service
    sent (`document.json`, `document["field"]`).

    Every method raises UnreachableError if no service answers, and RequestRefusedError with the problem document if
    the service refuses the request.
    """

    def register_task(
        self,
        name: str,
        dataset: str | Mapping[str, Any],
        *,
        labels: Mapping[str, Any] | None = None,
        network: str | Mapping[str, str] | None = None,
        epsilon: float | None = None,
        repetitions: int | None = None,
        seed: int | None = None,
        image_size: int | None = None,
        genotypes: Sequence[Mapping[str, Any]] | None = None,
        study: Mapping[str, float] | None = None,
        idempotency_key: str | None = None,
    ) -> Submission[Task]:
        """Registers a baseline task. Omitted arguments take the service's defaults.

        Args:
            dataset: a URI, or a whole dataset reference.
            labels: `{"groups": [[2], [6, 7]], "rest": true}`; absent = the dataset's own classes.
            network: the name of an architecture, or `{"architecture": …, "weights": "dataset://…"}`.
            study: `{"cells": 2, "seconds": 60}`: train its two best cells in full, within so many seconds, for races
                on near tasks; `{"cells": 0}` trains none; None = two cells within 10 to 180 seconds.
            idempotency_key: two calls with the same key register one task; None = a new key.
        """
        fields: Json = {
            "name": name,
            "dataset": reference(dataset),
            "labels": labels,
            "network": network,
            "epsilon": epsilon,
            "repetitions": repetitions,
            "seed": seed,
            "image_size": image_size,
            "genotypes": genotypes,
            "study": study,
        }
        return self.submission_of(self._post("/v1/tasks", fields, idempotency_key))

    def submission_of(self, task: Mapping[str, Any]) -> Submission[Task]:
        """The submission of a task that was registered before."""
        return Submission(self, dict(task), f"/v1/tasks/{task['id']}", f"/v1/jobs/{task['job_id']}", Task)

    def recommend(
        self,
        dataset: str | Mapping[str, Any],
        *,
        name: str | None = None,
        labels: Mapping[str, Any] | None = None,
        network: str | None = None,
        epsilon: float | None = None,
        repetitions: int | None = None,
        require_approximation: bool | None = None,
        measure: str | None = None,
        baselines: Sequence[str] | None = None,
        image_size: int | None = None,
        objective: str | None = None,
        budget: Mapping[str, float] | None = None,
        constraints: Mapping[str, float] | None = None,
        search: Mapping[str, Any] | None = None,
        candidates: Sequence[str] | None = None,
        pretrained: Mapping[str, str] | None = None,
        final: Mapping[str, Any] | None = None,
        control: bool | None = None,
        seed: int | None = None,
        priority: int | None = None,
        webhook: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Submission[Recommendation]:
        """Requests an architecture for a new task. Omitted arguments take the service's defaults.

        Args:
            baselines: each by its name or its id; the job waits for them; None = all that are ready.
            objective: `accuracy`, `balanced_accuracy` or `macro_f1`.
            budget: `{"seconds": …}` of the whole job (180 by default), or `{"iterations": …}` of a search.
            constraints: `{"max_parameters": …, "max_macs": …, "max_latency_ms": …}`, each at most.
            search: `{"strategy": …, "k": …, "space": …}`. By default whole networks of several kinds race, and the
                best one is the answer; `{"strategy": "fuse", "candidates": …, "rounds": …}` and others search for a
                cell. The space is `known` (for a race alone), `primitives` or `full`.
            candidates: the kinds of networks in a race: `cell`, `plain` (ResNet-18 and MobileNetV3-small) and
                `pretrained` (EfficientNet-Lite0 and the network of `pretrained`); None = all of them.
            pretrained: `{"architecture": …, "weights": "dataset://NAME"}`: one more pretrained network in a race, by
                its name in timm, or `torchvision/` and its name there; its weights may also be an `https://…` or
                `s3://…` file that the service may fetch.
            final: `{"seeds": …, "warm_start": …}`: number of networks in the final training, 1 to 10; whether they
                start from weights that were trained on the closest baseline.
            control: whether the same seconds are also spent without the known tasks, or without a race.
            webhook: `{"url": "https://…", "secret": "whsec_…"}`: the receiver notified of the end, and the signing key.
        """
        fields: Json = {
            "dataset": reference(dataset),
            "name": name,
            "labels": labels,
            "network": network,
            "epsilon": epsilon,
            "repetitions": repetitions,
            "require_approximation": require_approximation,
            "measure": measure,
            "baselines": baselines,
            "image_size": image_size,
            "objective": objective,
            "budget": budget,
            "constraints": constraints,
            "search": search,
            "candidates": candidates,
            "pretrained": pretrained,
            "final": final,
            "control": control,
            "seed": seed,
            "priority": priority,
            "webhook": webhook,
        }
        document = self._post("/v1/recommendations", fields, idempotency_key)
        resource = f"/v1/recommendations/{document['id']}"
        return Submission(self, document, resource, resource, Recommendation)

    def promote(self, recommendation_id: str, name: str | None = None) -> TaskSummary:
        """Makes the target of a finished recommendation a baseline; without a name, the task retains its own."""
        document = self._post(f"/v1/recommendations/{recommendation_id}/promote", {"name": name}, None)
        return read(TaskSummary, document, self)

    def tasks(self, **filters: str) -> Iterator[TaskSummary]:
        """Yields every task that matches the filters, page by page; `role="baseline"` leaves out the targets."""
        return self._pages(TaskSummary, "/v1/tasks", filters)

    def get_task(self, task_id: str) -> Task:
        """One task."""
        return self.read(Task, f"/v1/tasks/{task_id}")

    def study_task(
        self,
        task_id: str,
        *,
        cells: int | None = None,
        seconds: float | None = None,
        idempotency_key: str | None = None,
    ) -> Submission[Task]:
        """Trains more cells of a baseline that is ready. `.wait()` returns the task with all trainings in `cells`.

        Args:
            cells: number of cells to train in full, at most; None = 2.
            seconds: of the trainings; one that does not fit any more does not start; None = as long as they take.
        """
        path = f"/v1/tasks/{quote(task_id, safe='')}"
        document = self._post(f"{path}/study", {"cells": cells, "seconds": seconds}, idempotency_key)
        return Submission(self, document, path, f"/v1/jobs/{document['job_id']}", Task)

    def remove_task(self, task_id: str) -> None:
        """Removes a task, and the data that only it refers to."""
        self.request("DELETE", f"/v1/tasks/{task_id}")

    def recommendations(self) -> Iterator[RecommendationSummary]:
        """Yields every recommendation, newest first, page by page."""
        return self._pages(RecommendationSummary, "/v1/recommendations", {})

    def get_recommendation(self, recommendation_id: str) -> Recommendation:
        """One recommendation: it has every field from the first poll, None until the value is known."""
        return self.read(Recommendation, f"/v1/recommendations/{recommendation_id}")

    def evaluation(self, recommendation_id: str) -> Evaluation:
        """On the test images: confusion matrix, recalls of the classes, misclassified images, most confident first."""
        return self.read(Evaluation, f"/v1/recommendations/{recommendation_id}/evaluation")

    def get_job(self, job_id: str) -> Job:
        """One job: state, stage, progress, and the problem document of its failure."""
        return self.read(Job, f"/v1/jobs/{job_id}")

    def distances(
        self, *, measure: str | None = None, source: str | None = None, target: str | None = None
    ) -> DistanceMatrix:
        """The matrix of distances: rows are `sources`, columns are `targets`; None where not measured.

        Args:
            source: a task: its id, a baseline's name, or a target's name (the newest). None = all baselines.
            target: the same. None = all baselines, and all targets with a measured distance.
        """
        return self.read(
            DistanceMatrix, "/v1/distances", given({"measure": measure, "source": source, "target": target})
        )

    def distance(self, source: str, target: str, measure: str | None = None) -> DistanceDetail:
        """The distance from one task to another: each repetition, its error, and the contribution of each layer.

        Args:
            source: a task: its id, a baseline's name, or a target's name (the newest of that name).
            target: the same.
        """
        path = f"/v1/distances/{quote(source, safe='')}/{quote(target, safe='')}"
        return self.read(DistanceDetail, path, given({"measure": measure}))

    def measure_distances(
        self,
        targets: str | Sequence[str],
        *,
        sources: Sequence[str] | None = None,
        measures: Sequence[str] | None = None,
        repetitions: int | None = None,
        idempotency_key: str | None = None,
    ) -> SubmissionGroup[Job]:
        """Measures the distances to the targets, one job for each. Omitted arguments take the service's defaults.

        `.wait()` returns the jobs' documents; the `result` of each is the column with its verdict.

        Args:
            targets: one task or several: its id, a baseline's name, or a target's name (refused if not unique).
            sources: baselines, each by its name or its id; None = all of them.
            measures: None = `log_det_layerwise`, `log_det` and `logme`.
            repetitions: number of networks of each task to compare; None = as many as the target has.
        """
        fields: Json = {
            "targets": [targets] if isinstance(targets, str) else targets,
            "sources": sources,
            "measures": measures,
            "repetitions": repetitions,
        }
        document = self._post("/v1/distances", fields, idempotency_key)
        paths = [f"/v1/jobs/{job['job_id']}" for job in document["jobs"]]
        return SubmissionGroup(
            document,
            tuple(Submission(self, job, path, path, Job) for job, path in zip(document["jobs"], paths, strict=True)),
        )

    def events(self, recommendation_id: str, last_event_id: int = 0) -> Iterator[Event]:
        """Yields the events of a recommendation as they occur, until its job has ended. See `follow`."""
        return self.follow(f"/v1/recommendations/{recommendation_id}", last_event_id)
