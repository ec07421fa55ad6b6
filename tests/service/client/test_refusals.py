"""A refusal by the service becomes an error with the problem document."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from service.client import Client
from service.client.errors import (
    KeyRefusedError,
    NotAllowedError,
    NotFiniteError,
    RequestRefusedError,
    StrangeAnswerError,
    TooManyError,
    UnreachableError,
)

Answering = Callable[..., Client]


def test_a_refusal_carries_the_problem_document(client: Client) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        client.register_task("odd_or_even", "builtin://letters")
    assert caught.value.status == 422
    assert caught.value.problem["errors"][0]["field"] == "dataset.uri"
    assert "dataset.uri" in str(caught.value)


def test_a_key_that_is_missing_too_weak_or_used_up_raises_an_error_of_its_own(
    http: httpx.Client, make_key: Callable[..., str]
) -> None:
    def with_key(key: str | None) -> Client:
        def forward(request: httpx.Request) -> httpx.Response:
            answer = http.request(request.method, request.url, headers=request.headers, content=request.read())
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

        return Client("http://service", key, transport=httpx.MockTransport(forward))

    reading, writing = make_key("read"), make_key("write", quota=0)
    for key, code in ((None, "no_key"), ("ldnas_other", "wrong_key")):
        with pytest.raises(KeyRefusedError, match="LDNAS_API_KEY") as refused:
            list(with_key(key).tasks())
        assert (refused.value.status, refused.value.problem["code"]) == (401, code)
    with pytest.raises(NotAllowedError, match="scope write"):
        with_key(reading).register_task("a", "builtin://digits")
    with pytest.raises(TooManyError, match="'write' may have 0") as too_many:
        with_key(writing).recommend("builtin://digits")
    assert too_many.value.retry_after_seconds == 30


def test_an_error_page_without_a_problem_document_is_still_a_refusal(answering: Answering) -> None:
    client = answering(lambda request: httpx.Response(500, html="<h1>Sorry</h1>"))
    with pytest.raises(RequestRefusedError, match="HTTP 500 Internal Server Error"):
        client.distances()


@pytest.mark.parametrize(
    "answer", [{"html": "<h1>No such page</h1>"}, {"json": {"title": "Not Found", "detail": "Not Found"}}]
)
def test_a_path_that_no_service_has_points_to_the_address(answering: Answering, answer: dict[str, Any]) -> None:
    client = answering(lambda request: httpx.Response(404, **answer))
    with pytest.raises(RequestRefusedError, match=r"http://.*/v1/distances.* does not exist; .*LDNAS_URL") as refused:
        client.distances()
    assert refused.value.status == 404


def test_the_service_itself_has_the_problem_of_such_a_path(http: httpx.Client) -> None:
    below = Client("http://service/docs", transport=httpx.MockTransport(lambda sent: _forwarded(http, sent)))
    with pytest.raises(RequestRefusedError, match=r"http://service/docs/v1/.* does not exist; check the address"):
        list(below.architectures())
    root = Client("http://service", transport=httpx.MockTransport(lambda sent: _forwarded(http, sent)))
    with pytest.raises(RequestRefusedError, match="no architecture has the id"):
        root.architecture("0" * 32)


def _forwarded(http: httpx.Client, request: httpx.Request) -> httpx.Response:
    answer = http.request(request.method, request.url.path, headers=request.headers, content=request.read())
    return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def test_a_service_that_is_not_there_is_named() -> None:
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(UnreachableError, match=r"http://127.0.0.1:9 .*ldnas up"),
    ):
        client.distances()


@pytest.mark.parametrize(
    "answer",
    [{"html": "<h1>Another program</h1>"}, {"json": ["a", "list"]}, {"content": b'{"cut": "sho', "headers": {}}],
    ids=["a page", "a list", "half a document"],
)
def test_an_answer_that_is_not_a_document_of_the_service_is_refused(
    answering: Answering, answer: dict[str, Any]
) -> None:
    client = answering(lambda request: httpx.Response(200, **answer))
    with pytest.raises(StrangeAnswerError, match=r"^http://service/v1/distances answered with .* check LDNAS_URL"):
        client.distances()


@pytest.mark.parametrize("url", ["localhost:8000", "http://[::1", "ftp://there"])
def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(UnreachableError, match="is not the address of a service"):
        Client(url).distances()


def test_a_number_that_json_does_not_have_is_refused(client: Client) -> None:
    with pytest.raises(NotFiniteError, match="finite"):
        client.recommend("builtin://digits", epsilon=float("nan"))


def test_text_that_is_not_in_utf_8_is_refused_by_the_service(client: Client) -> None:
    with pytest.raises(RequestRefusedError):
        client.recommend("builtin://digits", name="gr\udcf6\udcdfe")


def test_a_problem_document_that_is_cut_short_is_still_a_refusal(answering: Answering) -> None:
    broken = httpx.Response(422, content=b'{"title": "Th', headers={"content-type": "application/problem+json"})
    with pytest.raises(RequestRefusedError, match="HTTP 422"):
        answering(lambda request: broken).distances()
