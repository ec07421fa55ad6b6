"""The client's connection to one service: requests, their refusals, pages of listings."""

import time
import uuid
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from service.client.errors import (
    KeyRefusedError,
    NotAllowedError,
    RequestRefusedError,
    TooManyError,
    UnreachableError,
)
from service.client.events import ENDED, Event, parse_events

Json = dict[str, Any]

REQUEST_SECONDS = 30.0
# A stream is silent between events; the service's keep-alive comes well within this.
STREAM_SILENCE_SECONDS = 60.0
RECONNECT_SECONDS = 0.5
RECONNECT_ATTEMPTS = 20
# A poll that is told to come back later does so, unless that is later than this.
PATIENCE_SECONDS = 60.0


class Connection:
    """One service, over HTTP; what it can be asked is told in `Client`."""

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
        """One request. A GET that is answered by 429 is asked again when its `Retry-After` says, for up to a minute.

        Raises:
            UnreachableError: nothing answers.
            KeyRefusedError, NotAllowedError, TooManyError, RequestRefusedError: the service refuses.
        """
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            response = self._sent(method, path, options)
            if not response.is_error:
                return response
            error = refusal(response)
            pause = error.retry_after_seconds if isinstance(error, TooManyError) and method == "GET" else None
            if pause is None or time.monotonic() + pause > give_up:
                raise error
            time.sleep(pause)

    def _sent(self, method: str, path: str, options: Mapping[str, Any]) -> httpx.Response:
        """Sent again where the connection broke: a POST that creates carries an idempotency key."""
        try:
            return self._http.request(method, path, **options)
        except httpx.TransportError:
            try:
                return self._http.request(method, path, **options)
            except httpx.TransportError as error:
                raise UnreachableError(self.base_url, str(error) or type(error).__name__) from error

    def _post(self, path: str, fields: Json, idempotency_key: str | None) -> Json:
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        document: Json = self.request("POST", path, json=given(fields), headers=headers).json()
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
                raise refusal(response)
            yield from parse_events(response.iter_lines())


def reference(dataset: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """A URI alone as a dataset reference."""
    return {"uri": dataset} if isinstance(dataset, str) else dataset


def given(fields: Mapping[str, Any]) -> Json:
    """The fields that are not None."""
    return {key: value for key, value in fields.items() if value is not None}


def refusal(response: httpx.Response) -> RequestRefusedError:
    """The refusal of a response; what is no problem document (a proxy's page) becomes a small one."""
    status, problem = response.status_code, _problem(response)
    if status == httpx.codes.UNAUTHORIZED:
        return KeyRefusedError(problem, status)
    if status == httpx.codes.FORBIDDEN:
        return NotAllowedError(problem, status)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        seconds = response.headers.get("retry-after", "")
        return TooManyError(problem, status, float(seconds) if seconds.isdecimal() else None)
    return RequestRefusedError(problem, status)


def _problem(response: httpx.Response) -> Json:
    if "json" in response.headers.get("content-type", ""):
        document = response.json()
        if isinstance(document, dict):
            return document
    title = f"HTTP {response.status_code} {response.reason_phrase} from {response.request.url}"
    return {"title": title, "status": response.status_code}
