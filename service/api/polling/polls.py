"""Answers polls and pages of lists: renders an answer again only when its rows have changed."""

import hashlib
import pickle
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from service.api.http.accepted import poll_again
from service.api.http.conditional import conditional_body, tag_of
from service.api.polling.rendered import Rendered, RenderedAnswers
from service.api.serializers import job_document, recommendation_document
from service.api.webhooks import webhook_document
from service.schemas.answer import Recommendation
from service.schemas.base import ItemT, Page
from service.schemas.jobs import Job
from worker.errors import NotFoundError
from worker.registry import (
    JOB,
    RECOMMENDATION,
    Listing,
    Question,
    QuickReader,
    job_of,
    page_of,
    recommendation_of,
)

JSON = "application/json"

LARGE = 32_000
"""Bytes of rows from which rendering takes over a millisecond and runs in a thread."""

Row = Sequence[Any]
ReadT = TypeVar("ReadT")


class Polls:
    """Answers polls and pages of lists, and caches recent answers with a digest of their rows.

    Every request reads the rows, so it notices every write, from any process and by any means.
    """

    def __init__(self, reader: QuickReader) -> None:
        self._reader = reader
        self._answers = RenderedAnswers()

    async def job(self, request: Request, id: str) -> Response:
        """The current document of the job, or 304.

        Raises:
            NotFoundError: the job does not exist.
            DatabaseUnavailableError: the database does not answer.
        """
        return await self._answer(request, "job", id, JOB, _job)

    async def recommendation(self, request: Request, id: str) -> Response:
        """The current document of the recommendation, in the same way."""
        return await self._answer(request, "recommendation", id, RECOMMENDATION, _recommendation)

    async def accepted(self, id: str, headers: Mapping[str, str]) -> Response:
        """202 with the current document of a recommendation that was just submitted, with these headers.

        Raises:
            NotFoundError: it was deleted since.
        """
        rendered = await self._current("recommendation", id, RECOMMENDATION, _recommendation)
        return Response(rendered.body, status_code=202, media_type=JSON, headers=dict(headers))

    async def page(
        self,
        document: type[Page[ItemT]],
        listing: Listing,
        line: Callable[[Row], ItemT],
        limit: int,
        /,
        **wanted: str | None,
    ) -> Response:
        """A page of at most `limit` lines, each made of one row.

        `wanted` are the filters of the listing, and `after`, the id before the page; None for all lines.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        given = {name: value for name, value in wanted.items() if value is not None}
        # One row more than the page has only shows that a next page exists.
        rows = await self._reader.ask(page_of(listing, *given), limit=limit + 1, **given)
        asked = (listing, limit, *given.items())
        rendered = await self._rendered(asked, [tuple(row) for row in rows], partial(_page, document, line, limit))
        return Response(rendered.body, media_type=JSON)

    async def _answer(
        self, request: Request, kind: str, id: str, question: Question, render: Callable[[Row], Rendered]
    ) -> Response:
        rendered = await self._current(kind, id, question, render)
        return conditional_body(request, rendered.body or b"", rendered.tag, JSON, rendered.headers)

    async def _current(self, kind: str, id: str, question: Question, render: Callable[[Row], Rendered]) -> Rendered:
        rows = await self._reader.ask(question, id=id)
        if not rows:
            raise NotFoundError(kind, id)
        return await self._rendered((kind, id), tuple(rows[0]), render)

    async def _rendered(self, asked: Hashable, read: ReadT, render: Callable[[ReadT], Rendered]) -> Rendered:
        """The answer made of these rows: the cached one if it was made of equal rows."""
        packed = pickle.dumps(read)  # as unambiguous as `repr`, in a twentieth of its time
        revision = hashlib.sha256(packed).hexdigest()
        rendered = self._answers.get(asked, revision)
        if rendered is None or rendered.body is None:
            rendered = await run_in_threadpool(render, read) if len(packed) > LARGE else render(read)
            self._answers.keep(asked, revision, rendered)
        return rendered


def _job(row: Row) -> Rendered:
    return _rendered(job_document(job_of(row)))


def _recommendation(row: Row) -> Rendered:
    recommendation, job, webhook = recommendation_of(row)
    return _rendered(recommendation_document(recommendation, job, webhook_document(webhook)))


def _rendered(document: Job | Recommendation) -> Rendered:
    body = document.model_dump_json().encode()
    return Rendered(body, tag_of(body), poll_again(document))


def _page(document: type[Page[ItemT]], line: Callable[[Row], ItemT], limit: int, rows: Sequence[Row]) -> Rendered:
    items = [line(row) for row in rows[:limit]]
    body = document(items=items, next=items[-1].id if len(rows) > limit else None).model_dump_json().encode()
    return Rendered(body, tag_of(body))
