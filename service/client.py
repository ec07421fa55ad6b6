"""The Python client of the service; it needs httpx (and Rich, where progress is shown) and nothing else.

    client = Client("http://127.0.0.1:8000")
    client.register_task("odd_or_even", "builtin://digits", labels={"groups": [[1, 3, 5, 7, 9]], "rest": True}).wait()
    answer = client.recommend("builtin://digits", labels={"groups": [[2, 3, 5, 7]], "rest": True}).wait(progress=True)

Documents are returned as the service sent them: dicts of JSON values, fractions in [0, 1].
"""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from service.client_errors import RequestRefusedError, UnreachableError
from service.event_stream import ENDED, Event, parse_events
from service.submission import Submission, SubmissionGroup

Json = dict[str, Any]

REQUEST_SECONDS = 30.0
# A stream is silent between events; the service's keep-alive comes well within this.
STREAM_SILENCE_SECONDS = 60.0
RECONNECT_SECONDS = 0.5
RECONNECT_ATTEMPTS = 20


class Client:
    """One service, over HTTP.

    Args:
        base_url: where it answers, as `http://127.0.0.1:8000`.
        api_key: sent as a bearer token, where the service asks for one.
        transport: for tests; the network otherwise.

    Every method raises UnreachableError where nothing answers and RequestRefusedError with the problem document
    where the service refuses.
    """

    def __init__(
        self, base_url: str, api_key: str | None = None, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self.base_url = base_url.rstrip("/")
        self._http = httpx.Client(base_url=self.base_url, headers=headers, timeout=REQUEST_SECONDS, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def register_task(
        self,
        name: str,
        dataset: str | Mapping[str, Any],
        *,
        labels: Mapping[str, Any] | None = None,
        network: str | None = None,
        epsilon: float | None = None,
        repetitions: int | None = None,
        seed: int | None = None,
        image_size: int | None = None,
        genotypes: Sequence[Mapping[str, Any]] | None = None,
        idempotency_key: str | None = None,
    ) -> Submission:
        """Register a baseline task. What is left out takes the service's default.

        Args:
            dataset: a URI, or a whole dataset reference.
            labels: `{"groups": [[2], [6, 7]], "rest": true}`; absent = the dataset's own classes.
            idempotency_key: asking twice with one key registers once; a fresh key where None.
        """
        fields: Json = {
            "name": name,
            "dataset": _reference(dataset),
            "labels": labels,
            "network": network,
            "epsilon": epsilon,
            "repetitions": repetitions,
            "seed": seed,
            "image_size": image_size,
            "genotypes": genotypes,
        }
        return self.submission_of(self._post("/v1/tasks", fields, idempotency_key))

    def submission_of(self, task: Json) -> Submission:
        """The handle on a task that was registered before."""
        return Submission(self, task, f"/v1/tasks/{task['id']}", f"/v1/jobs/{task['job_id']}")

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
        budget: Mapping[str, int] | None = None,
        search: Mapping[str, Any] | None = None,
        seed: int | None = None,
        priority: int | None = None,
        idempotency_key: str | None = None,
    ) -> Submission:
        """Ask for an architecture for a new task. What is left out takes the service's default.

        Args:
            baselines: each by its name or its id, and waited for; None = all that are ready.
            budget: `{"iterations": …}`, the most iterations of the search.
            search: `{"strategy": "fuse", "candidates": …, "rounds": …, "k": …}`.
        """
        fields: Json = {
            "dataset": _reference(dataset),
            "name": name,
            "labels": labels,
            "network": network,
            "epsilon": epsilon,
            "repetitions": repetitions,
            "require_approximation": require_approximation,
            "measure": measure,
            "baselines": baselines,
            "image_size": image_size,
            "budget": budget,
            "search": search,
            "seed": seed,
            "priority": priority,
        }
        document = self._post("/v1/recommendations", fields, idempotency_key)
        resource = f"/v1/recommendations/{document['id']}"
        return Submission(self, document, resource, resource)

    def tasks(self, **filters: str) -> Iterator[Json]:
        """Every task that fits the filters, page by page; `role="baseline"` leaves the targets out."""
        return self._pages("/v1/tasks", filters)

    def get_task(self, task_id: str) -> Json:
        """One task."""
        return self.get(f"/v1/tasks/{task_id}")

    def remove_task(self, task_id: str) -> None:
        """Remove a task and what only it holds."""
        self.request("DELETE", f"/v1/tasks/{task_id}")

    def recommendations(self) -> Iterator[Json]:
        """Every recommendation, newest first, page by page."""
        return self._pages("/v1/recommendations", {})

    def get_recommendation(self, recommendation_id: str) -> Json:
        """One recommendation: every field is there from the first poll, null until known."""
        return self.get(f"/v1/recommendations/{recommendation_id}")

    def get_job(self, job_id: str) -> Json:
        """One job: state, stage, progress, and the problem document of its failure."""
        return self.get(f"/v1/jobs/{job_id}")

    def distances(self, *, measure: str | None = None, source: str | None = None, target: str | None = None) -> Json:
        """The matrix of distances: rows are `sources`, columns `targets`, null where nothing was measured.

        Args:
            source: a task: its id, or a baseline's name, or a target's (the newest of that name). None = all baselines.
            target: the same. None = all baselines, and all targets to which one was measured.
        """
        return self.get("/v1/distances", _given({"measure": measure, "source": source, "target": target}))

    def distance(self, source: str, target: str, measure: str | None = None) -> Json:
        """The distance from one task to another: each repetition, its error, what each layer adds.

        Args:
            source: a task: its id, or a baseline's name, or a target's (the newest of that name).
            target: the same.
        """
        path = f"/v1/distances/{quote(source, safe='')}/{quote(target, safe='')}"
        return self.get(path, _given({"measure": measure}))

    def measure_distances(
        self,
        targets: str | Sequence[str],
        *,
        sources: Sequence[str] | None = None,
        measures: Sequence[str] | None = None,
        repetitions: int | None = None,
        idempotency_key: str | None = None,
    ) -> SubmissionGroup:
        """Have the distances to the targets measured, each a job of its own. What is left out takes the default.

        `.wait()` gives the jobs' documents; the `result` of each is the column with its verdict.

        Args:
            targets: a task, or several: its id, or a baseline's name, or a target's (refused where several have that).
            sources: baselines, each by its name or its id; None = all of them.
            measures: `log_det_layerwise`, `log_det` and `logme` where None.
            repetitions: networks of each task that are compared; None = as many as the target has.
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
            tuple(Submission(self, job, path, path) for job, path in zip(document["jobs"], paths, strict=True)),
        )

    def architecture_code(self, architecture_id: str) -> str:
        """The recommended network as one Python file that needs only torch."""
        return self.request("GET", f"/v1/architectures/{architecture_id}/code").text

    def architecture_weights(self, architecture_id: str) -> bytes:
        """The recommended network's weights, in the safetensors layout."""
        return self.request("GET", f"/v1/architectures/{architecture_id}/weights").content

    def events(self, recommendation_id: str, last_event_id: int = 0) -> Iterator[Event]:
        """What happens to a recommendation, as it happens; ends with its job. See `follow`."""
        return self.follow(f"/v1/recommendations/{recommendation_id}", last_event_id)

    def follow(self, resource: str, last_event_id: int = 0) -> Iterator[Event]:
        """The events of a resource that is a job or has one, as they happen, from after `last_event_id`.

        A stream that breaks is taken up where it broke, so each event comes once and in order. Ends when the job has
        ended and nothing is left to tell.

        Raises:
            UnreachableError: the service stays away for longer than a restart takes.
        """
        failures = 0
        while True:
            received = False
            try:
                for event in self._stream(resource, last_event_id):
                    received, failures, last_event_id = True, 0, event.id
                    yield event
                if received:
                    # The end of a stream is no proof: the service may have stopped in the middle of the story.
                    continue
                if self.get(resource)["state"] in ENDED:
                    return
            except (httpx.TransportError, UnreachableError) as error:
                failures += 1
                if failures >= RECONNECT_ATTEMPTS:
                    raise UnreachableError(self.base_url, str(error)) from error
            time.sleep(RECONNECT_SECONDS)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """The JSON document at a path of the API."""
        document: Json = self.request("GET", path, params=query or {}).json()
        return document

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request, tried again where the connection broke: a POST that creates carries an idempotency key."""
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError:
            try:
                response = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                raise UnreachableError(self.base_url, str(error) or type(error).__name__) from error
        if response.is_error:
            raise _refusal(response)
        return response

    def _post(self, path: str, fields: Json, idempotency_key: str | None) -> Json:
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        document: Json = self.request("POST", path, json=_given(fields), headers=headers).json()
        return document

    def _pages(self, path: str, filters: Mapping[str, str]) -> Iterator[Json]:
        query = dict(filters)
        while True:
            page = self.get(path, query)
            yield from page["items"]
            if not page.get("next"):
                return
            query["after"] = page["next"]

    def _stream(self, resource: str, last_event_id: int) -> Iterator[Event]:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last_event_id)}
        timeout = httpx.Timeout(REQUEST_SECONDS, read=STREAM_SILENCE_SECONDS)
        with self._http.stream("GET", f"{resource}/events", headers=headers, timeout=timeout) as response:
            if response.is_error:
                response.read()
                raise _refusal(response)
            yield from parse_events(response.iter_lines())


def _reference(dataset: str | Mapping[str, Any]) -> Mapping[str, Any]:
    return {"uri": dataset} if isinstance(dataset, str) else dataset


def _given(fields: Mapping[str, Any]) -> Json:
    return {key: value for key, value in fields.items() if value is not None}


def _refusal(response: httpx.Response) -> RequestRefusedError:
    """The refusal of a response; what is no problem document (a proxy's page) becomes a small one."""
    if "json" in response.headers.get("content-type", ""):
        document = response.json()
        if isinstance(document, dict):
            return RequestRefusedError(document, response.status_code)
    title = f"HTTP {response.status_code} {response.reason_phrase} from {response.request.url}"
    return RequestRefusedError({"title": title, "status": response.status_code}, response.status_code)
