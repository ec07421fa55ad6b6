"""Requests that the client sends again, when it does, and requests that it does not."""

import json
from collections.abc import Callable

import httpx
import pytest

from service.client import Client
from service.client.errors import RequestRefusedError, TooManyError, UnreachableError

Answering = Callable[..., Client]


def throttling(answering: Answering, pauses: list[str]) -> tuple[Client, list[httpx.Request]]:
    """A service that answers 429 with each of these pauses, and then with a page."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) <= len(pauses):
            return httpx.Response(429, headers={"Retry-After": pauses[len(seen) - 1]}, json={"title": "slower"})
        return httpx.Response(200, json={"items": [], "next": None})

    return answering(answer), seen


def test_a_poll_is_sent_again_after_the_pause_that_the_service_names(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("service.client.connection.time.sleep", slept.append)
    client, seen = throttling(answering, ["3", "1"])
    assert list(client.tasks()) == []
    assert (len(seen), slept) == (3, [3.0, 1.0])


@pytest.mark.parametrize("pause", ["3600", "Wed, 21 Oct 2026 07:28:00 GMT", "", "-1"])
def test_a_poll_does_not_wait_for_longer_than_a_minute_or_for_what_it_does_not_understand(
    answering: Answering, pause: str
) -> None:
    client, seen = throttling(answering, [pause])
    with pytest.raises(TooManyError, match="slower"):
        list(client.tasks())
    assert len(seen) == 1


def test_a_throttled_post_is_left_to_the_caller(answering: Answering) -> None:
    client, seen = throttling(answering, ["0"])
    with pytest.raises(TooManyError):
        client.register_task("a", "builtin://digits")
    assert len(seen) == 1


def test_the_key_is_sent_and_a_broken_post_is_repeated_under_one_idempotency_key(answering: Answering) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) == 1:
            raise httpx.ReadError("broken")
        return httpx.Response(202, json={"id": "1", "job_id": "2", "name": None})

    answering(answer).register_task("a", "builtin://digits")
    assert [request.headers["authorization"] for request in seen] == ["Bearer secret"] * 2
    assert len({request.headers["idempotency-key"] for request in seen}) == 1
    assert json.loads(seen[0].content) == {"name": "a", "dataset": {"uri": "builtin://digits"}}


def answers_in_turn(*answers: httpx.Response | Exception) -> tuple[Callable[..., httpx.Response], list[httpx.Request]]:
    """A service that gives one of these with each request, and the last one for ever."""
    left, seen = list(answers), []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        now = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(now, Exception):
            raise now
        return now

    return answer, seen


STARTING = {"status_code": 503, "headers": {"Retry-After": "2"}, "json": {"title": "The database does not answer"}}
EMPTY_PAGE = {"status_code": 200, "json": {"items": [], "next": None}}


@pytest.mark.parametrize("status", [502, 503, 504])
def test_what_a_service_answers_that_is_starting_is_asked_again(
    answering: Answering, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("service.client.connection.time.sleep", slept.append)
    starting = httpx.Response(**STARTING | {"status_code": status})
    answer, seen = answers_in_turn(starting, starting, httpx.Response(202, json={"id": "1", "job_id": "2"}))
    answering(answer).recommend("builtin://digits")
    assert slept == [2.0, 2.0]
    assert len({request.headers["idempotency-key"] for request in seen}) == 1


def test_a_service_that_starts_for_too_long_is_a_refusal(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.client.connection.REPEAT_SECONDS", 1.0)
    answer, seen = answers_in_turn(httpx.Response(**STARTING))
    with pytest.raises(RequestRefusedError, match="database does not answer") as caught:
        list(answering(answer).tasks())
    assert (caught.value.status, len(seen)) == (503, 1)


def test_a_service_that_never_answered_is_asked_twice_and_one_that_has_answered_for_longer(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = httpx.ConnectError("refused")
    answer, seen = answers_in_turn(gone)
    with pytest.raises(UnreachableError, match="refused"):
        list(answering(answer).tasks())
    assert len(seen) == 2
    answer, seen = answers_in_turn(httpx.Response(**EMPTY_PAGE), *[gone] * 9, httpx.Response(**EMPTY_PAGE))
    client = answering(answer)
    assert (list(client.tasks()), list(client.tasks())) == ([], [])
    assert len(seen) == 11
    monkeypatch.setattr("service.client.connection.REPEAT_SECONDS", 0.0)
    answer, seen = answers_in_turn(httpx.Response(**EMPTY_PAGE), gone)
    client = answering(answer)
    list(client.tasks())
    with pytest.raises(UnreachableError):
        list(client.tasks())
    assert len(seen) == 3


def test_a_removal_whose_answer_was_lost_has_done_its_work(answering: Answering) -> None:
    nothing = httpx.Response(404, json={"title": "Not found", "status": 404})
    answer, seen = answers_in_turn(httpx.ReadError("broken"), nothing)
    answering(answer).remove_task("t1")
    assert [request.method for request in seen] == ["DELETE", "DELETE"]
    with pytest.raises(RequestRefusedError, match="Not found"):
        answering(answers_in_turn(nothing)[0]).remove_task("t1")


def test_other_refusals_are_not_asked_again(answering: Answering) -> None:
    for status in (400, 404, 409, 422, 500):
        answer, seen = answers_in_turn(httpx.Response(status, json={"title": "no"}))
        with pytest.raises(RequestRefusedError):
            answering(answer).recommend("builtin://digits")
        assert len(seen) == 1
