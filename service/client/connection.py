"""The connection to one service: requests and their retries, errors, event streams, pages of listings."""

import json
import os
import re
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx
from httpx_sse import EventSource, SSEError

from service.client.address import service_address
from service.client.documents import DocumentT, read
from service.client.errors import (
    KeyRefusedError,
    NotAllowedError,
    NotFiniteError,
    RequestRefusedError,
    StrangeAnswerError,
    TooManyError,
    UnreachableError,
)
from service.client.events import ENDED, Event, event_of
from service.client.network import Proxy, authorization, open_http, proxy_for
from service.schemas.base import Json

if TYPE_CHECKING:
    from torch import nn

DEFAULT_URL = "http://127.0.0.1:8000"

REQUEST_SECONDS = 30.0
# A stream is silent between events; the service sends keep-alives more often than this.
STREAM_SILENCE_SECONDS = 60.0
RECONNECT_SECONDS = 0.5
# A poll honours `Retry-After`, unless it is longer than this.
PATIENCE_SECONDS = 60.0
# How long other calls tolerate that a service which has answered before is unreachable.
REPEAT_SECONDS = 30.0
# How long calls that wait for a job tolerate that the service is unreachable: a restart, or an upgrade with migrations.
ABSENCE_SECONDS = 300.0

# The detail of a path that the service does not have; other 404s say what does not exist.
_NO_ROUTE = "Not Found"
_NO_TLS = re.compile("WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE")

AWAY = frozenset({httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT})
"""Statuses of a service that is starting or has lost its database, or of a proxy whose service is down."""


class Connection(ABC):
    """A connection to one service, over HTTP; see `Client`."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        absence_seconds: float = ABSENCE_SECONDS,
        request_seconds: float = REQUEST_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = service_address(base_url)
        self.absence_seconds = absence_seconds
        self._has_answered = False
        self._proxy: Proxy | None = None
        headers = authorization(api_key)
        if transport is not None:
            self._http = httpx.Client(
                base_url=self.base_url, headers=headers, timeout=request_seconds, transport=transport
            )
        else:
            self._proxy = proxy_for(httpx.URL(self.base_url), os.environ)
            self._http = open_http(self.base_url, headers, request_seconds, self._proxy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def follow(self, resource: str, last_event_id: int = 0) -> Iterator[Event]:
        """Yields the events of a job, or of a resource that has one, as they occur, after `last_event_id`.

        A broken stream is resumed at the last event, so each event is yielded once and in order. Ends after the last
        event of the job.

        Raises:
            UnreachableError: the service is unreachable for longer than `absence_seconds`.
        """
        heard = time.monotonic()
        while True:
            received = False
            try:
                for event in self._stream(resource, last_event_id):
                    received, last_event_id = True, event.id
                    yield event
                heard = time.monotonic()
                if received:
                    # The end of a stream is not the end of the job: the service may have stopped between events.
                    continue
                if self.get(resource)["state"] in ENDED:
                    return
            except (httpx.TransportError, UnreachableError, RequestRefusedError) as error:
                if isinstance(error, RequestRefusedError) and error.status not in AWAY:
                    raise
                if received:
                    heard = time.monotonic()
                if time.monotonic() - heard >= self.absence_seconds:
                    raise self._unreachable(error) from error
            time.sleep(RECONNECT_SECONDS)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """The JSON document at a path of the API."""
        return json_of(self.request("GET", path, params=query or {}))

    def read(self, kind: type[DocumentT], path: str, query: Mapping[str, str] | None = None) -> DocumentT:
        """The document at a path of the API, as a typed object."""
        return read(kind, self.get(path, query), self)

    def request(self, method: str, path: str, *, repeat_seconds: float | None = None, **options: Any) -> httpx.Response:
        """Sends one request and retries it where that is safe: a POST that creates has an idempotency key.

        A broken connection is retried at once, and then, if the service has answered before, for `repeat_seconds` (30
        where None); so are the answers of a service that is starting. A GET that gets 429 is retried after its
        `Retry-After`, for up to a minute. A repeated DELETE that gets 404 counts as done: the first one succeeded.

        Raises:
            UnreachableError: no service answers.
            KeyRefusedError, NotAllowedError, TooManyError, RequestRefusedError: the service refuses the request.
        """
        began = time.monotonic()
        repeat = REPEAT_SECONDS if repeat_seconds is None else repeat_seconds
        while True:
            response, repeated = self._sent(method, path, options, began + repeat)
            if not response.is_error or (repeated and method == "DELETE" and response.status_code == 404):
                return response
            pause = _pause(method, response)
            patience = repeat if response.status_code in AWAY else PATIENCE_SECONDS
            if pause is None or time.monotonic() + pause > began + patience:
                raise refusal(response)
            time.sleep(pause)

    @abstractmethod
    def load_network(self, architecture_id: str) -> "nn.Module":
        """See `Client.load_network`; documents call it on the client that fetched them."""

    def _sent(self, method: str, path: str, options: Mapping[str, Any], give_up: float) -> tuple[httpx.Response, bool]:
        """The response, and whether the request was repeated."""
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                if attempt > 1 and (not self._has_answered or time.monotonic() >= give_up):
                    raise self._unreachable(error) from error
                time.sleep(RECONNECT_SECONDS if attempt > 1 else 0)
            else:
                self._has_answered = True
                return response, attempt > 1

    def _unreachable(self, error: Exception) -> UnreachableError:
        reason = str(error) or type(error).__name__
        if self._proxy is not None:
            reason += f", through the proxy {self._proxy.shown} of {self._proxy.variable}"
        if self.base_url.startswith("https:") and _NO_TLS.search(reason):
            reason += ": its port does not speak TLS, try http://"
        return UnreachableError(self.base_url, reason)

    def _post(self, path: str, fields: Json, idempotency_key: str | None) -> Json:
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex, "Content-Type": "application/json"}
        return json_of(self.request("POST", path, content=_body(given(fields)), headers=headers))

    def _pages(self, kind: type[DocumentT], path: str, filters: Mapping[str, str]) -> Iterator[DocumentT]:
        query = dict(filters)
        while True:
            page = self.get(path, query)
            yield from (read(kind, item, self) for item in page["items"])
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
            if response.status_code == httpx.codes.NO_CONTENT:  # no event remains, and no stream follows
                return
            try:
                for sent in EventSource(response).iter_sse():
                    if sent.data:  # a comment that keeps the connection open has no data
                        yield event_of(sent)
            except SSEError:
                return  # a proxy sent something else: the job's state decides whether to ask again


def json_of(response: httpx.Response) -> Json:
    """The JSON object of a response.

    Raises:
        StrangeAnswerError: the response is not a JSON object, for example a page of another server.
    """
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise StrangeAnswerError(str(response.request.url), response.headers.get("content-type"))
    return document


def _body(fields: Json) -> bytes:
    try:
        return json.dumps(fields, allow_nan=False).encode()
    except ValueError as error:
        raise NotFiniteError from error


def reference(dataset: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """The dataset reference; a URI becomes `{"uri": …}`."""
    return {"uri": dataset} if isinstance(dataset, str) else dataset


def given(fields: Mapping[str, Any]) -> Json:
    """The fields that are not None."""
    return {key: value for key, value in fields.items() if value is not None}


def refusal(response: httpx.Response) -> RequestRefusedError:
    """The error for a response; a body other than a problem document (a proxy's page) is replaced by a short one."""
    status, problem = response.status_code, _problem(response)
    if status == httpx.codes.NOT_FOUND and problem.get("detail") == _NO_ROUTE:
        detail = f"{response.request.url} does not exist; check the address of the service, LDNAS_URL (or --url)"
        problem = {**problem, "detail": detail}
    if status == httpx.codes.UNAUTHORIZED:
        return KeyRefusedError(problem, status)
    if status == httpx.codes.FORBIDDEN:
        return NotAllowedError(problem, status)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return TooManyError(problem, status, retry_after(response))
    return RequestRefusedError(problem, status)


def retry_after(response: httpx.Response) -> float | None:
    """The seconds of `Retry-After`, or None."""
    seconds = response.headers.get("retry-after", "")
    return float(seconds) if seconds.isdecimal() else None


def _pause(method: str, response: httpx.Response) -> float | None:
    """Seconds until a request with this error response is repeated; None: not at all."""
    if response.status_code in AWAY:
        return retry_after(response) or RECONNECT_SECONDS
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS and method == "GET":
        return retry_after(response)
    return None


def _problem(response: httpx.Response) -> Json:
    if "json" in response.headers.get("content-type", ""):
        try:
            document = response.json()
        except ValueError:
            document = None
        if isinstance(document, dict):
            return document
    title = f"HTTP {response.status_code} {response.reason_phrase} from {response.request.url}"
    if response.status_code == httpx.codes.NOT_FOUND:
        return {"title": title, "status": response.status_code, "detail": _NO_ROUTE}
    return {"title": title, "status": response.status_code}
