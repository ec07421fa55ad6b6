"""Waiting for jobs: their ends, its limit, its reports of progress, and a service that goes away and comes back."""

from collections.abc import Callable

import httpx
import pytest

from service.client import Client
from service.client.errors import (
    JobCancelledError,
    JobFailedError,
    RequestRefusedError,
    UnreachableError,
    WaitTimeoutError,
)

LABELS = {"groups": [[1, 3, 5, 7, 9]], "rest": True}
Finish = Callable[..., None]
Answering = Callable[..., Client]


def test_a_registered_task_is_waited_for(client: Client, finish: Finish) -> None:
    submission = client.register_task("odd_or_even", "builtin://digits", labels=LABELS, repetitions=2)
    finish(submission.document["job_id"])
    task = submission.wait()
    assert (task["name"], task["state"], task["repetitions"]) == ("odd_or_even", "succeeded", 2)
    assert [found["id"] for found in client.tasks(role="baseline")] == [submission.id]


def test_distances_are_measured_for_several_targets_at_once(client: Client, finish: Finish) -> None:
    targets = [client.register_task(name, "builtin://digits").id for name in ("a", "b b")]
    group = client.measure_distances(
        [targets[1], "a"], sources=["a"], measures=["log_det"], repetitions=2, idempotency_key="k"
    )
    again = client.measure_distances(
        [targets[1], "a"], sources=["a"], measures=["log_det"], repetitions=2, idempotency_key="k"
    )
    assert again.document == group.document
    assert [submission.label for submission in group] == ["b b", "a"]
    for submission in group:
        finish(submission.id)
    jobs = group.wait(progress=True, timeout_seconds=10.0)
    assert [job["params"]["target_task_id"] for job in jobs] == targets[::-1]
    with pytest.raises(RequestRefusedError, match="frechet") as caught:
        client.distance("a", "b b", measure="frechet")
    assert caught.value.problem["code"] == "not_measured"


def test_a_group_fails_with_its_job_ends_with_its_time_and_is_cancelled_whole(client: Client, finish: Finish) -> None:
    client.register_task("a", "builtin://digits")
    client.register_task("b", "builtin://digits")
    group = client.measure_distances(["a", "b"])
    with pytest.raises(WaitTimeoutError):
        group.wait(timeout_seconds=0.0)
    finish(group.submissions[0].id)
    with pytest.raises(WaitTimeoutError, match=r"^b has not ended after 0\.25 s"):
        group.wait(timeout_seconds=0.25)
    finish(group.submissions[1].id, {"code": "unknown_measure", "detail": "no", "field": None, "origin": None})
    with pytest.raises(JobFailedError):
        group.wait()
    alone = client.measure_distances("a")
    alone.cancel()
    with pytest.raises(JobCancelledError):
        alone.wait()


def test_a_failed_job_raises_its_problem(client: Client, finish: Finish) -> None:
    submission = client.register_task("odd_or_even", "builtin://digits")
    error = {"code": "unknown_label", "detail": "no label 11", "field": "labels.groups[0]", "origin": None}
    finish(submission.document["job_id"], error)
    with pytest.raises(JobFailedError, match=r"no label 11 \(labels.groups\[0\]\)") as caught:
        submission.wait()
    assert caught.value.problem["code"] == "unknown_label"


def test_a_cancelled_job_raises(client: Client) -> None:
    submission = client.recommend("builtin://digits")
    submission.cancel()
    with pytest.raises(JobCancelledError):
        submission.wait()


def test_waiting_ends_at_its_limit(client: Client) -> None:
    with pytest.raises(WaitTimeoutError, match="continues in the service"):
        client.recommend("builtin://digits").wait(timeout_seconds=0.0)


def test_progress_is_reported_on_standard_error(
    client: Client, finish: Finish, capsys: pytest.CaptureFixture[str]
) -> None:
    submission = client.register_task("odd_or_even", "builtin://digits")
    finish(submission.document["job_id"])
    submission.wait(progress=True)
    output = capsys.readouterr()
    assert output.out == ""
    assert "odd_or_even: succeeded" in output.err


class Restarting:
    """A service that answers so many polls, then none for so many, and is then done."""

    def __init__(self, running: int, away: list[httpx.Response | Exception]) -> None:
        self.running = running
        self.away = away
        self.polls: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(202, json={"id": "r1", "job_id": "j1", "name": "primes"})
        self.polls.append(request)
        if self.running:
            self.running -= 1
            if request.headers.get("if-none-match") == '"same"':
                return httpx.Response(304, headers={"ETag": '"same"'})
            progress = {"fraction": 0.5, "message": "fitting"}
            document = {"id": "r1", "state": "running", "stage": "fit", "progress": progress}
            return httpx.Response(200, headers={"ETag": '"same"'}, json=document)
        if self.away:
            now = self.away.pop(0)
            if isinstance(now, Exception):
                raise now
            return now
        return httpx.Response(200, json={"id": "r1", "state": "succeeded", "closest": {"name": "odd"}})


def test_a_service_that_goes_away_is_waited_for_and_reported(
    answering: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = [httpx.ConnectError("refused")] * 6 + [httpx.Response(503, json={}), httpx.Response(502, html="")]
    service = Restarting(3, absent)
    answer = answering(service).recommend("builtin://digits").wait(progress=True)
    assert answer.closest.name == "odd"
    assert capsys.readouterr().err.splitlines() == [
        "primes: fit, fitting",
        "primes: fit, the service does not answer; waiting for it",
        "primes: succeeded",
    ]


def test_a_poll_of_what_has_not_changed_carries_its_tag(answering: Answering) -> None:
    service = Restarting(3, [])
    answering(service).recommend("builtin://digits").wait()
    assert [request.headers.get("if-none-match") for request in service.polls[:4]] == [None] + ['"same"'] * 3


def test_waiting_for_a_service_that_stays_away_ends(answering: Answering) -> None:
    endless = [httpx.ConnectError("refused")] * 10**6
    with pytest.raises(UnreachableError, match="refused"):
        answering(Restarting(1, endless), absence_seconds=0.05).recommend("builtin://digits").wait()
    with pytest.raises(WaitTimeoutError):
        answering(Restarting(1, endless)).recommend("builtin://digits").wait(timeout_seconds=0.05)


def test_a_job_that_is_removed_while_it_is_waited_for_is_a_refusal(answering: Answering) -> None:
    gone = httpx.Response(404, json={"title": "Not found", "status": 404})
    with pytest.raises(RequestRefusedError, match="Not found"):
        answering(Restarting(1, [gone])).recommend("builtin://digits").wait()


def test_a_training_is_waited_for_and_gives_its_architecture(answering: Answering) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        documents = {
            "/v1/architectures/a1/train": {"job_id": "j1", "architecture_id": "a2", "name": "round"},
            "/v1/jobs/j1": {"id": "j1", "state": "succeeded", "result": {"architecture_id": "a2"}},
            "/v1/architectures/a2": {"id": "a2", "name": "round", "class_names": ["a", "b"]},
        }
        return httpx.Response(200, json=documents[request.url.path])

    found = answering(answer).train_architecture("a1", "builtin://digits").wait()
    assert (found.id, found.name, found.class_names) == ("a2", "round", ("a", "b"))
