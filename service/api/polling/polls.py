"""Answers polls: renders an answer again only when its row has changed."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from service.api.http.accepted import poll_again
from service.api.http.conditional import conditional_body, tag_of
from service.api.polling.quick_queries import Questions
from service.api.polling.rendered import Rendered, RenderedAnswers
from service.api.serializers import job_document, recommendation_document
from service.api.webhooks import webhook_document
from service.schemas.answer import Recommendation
from service.schemas.jobs import Job
from worker.errors import NotFoundError
from worker.registry import (
    JOB,
    JOB_MARK,
    RECOMMENDATION,
    RECOMMENDATION_MARK,
    Engine,
    Question,
    Registry,
    job_of,
    reading,
    recommendation_of,
)

LARGE = 32_000
"""Characters of a row from which rendering takes over a millisecond and runs in a thread."""

Row = Sequence[Any]


@dataclass(frozen=True)
class Polled:
    """A kind of resource that is polled.

    Attributes:
        kind: its name in "not found" errors.
        question: reads the row that the answer is rendered from, by the resource's `id`.
        mark: on PostgreSQL, reads a short row that changes whenever that row does.
        is_complete: whether the row holds all data of the answer.
        make: renders a complete row.
        read: reads and renders the answer otherwise, by the resource's id.
    """

    kind: str
    question: Question
    mark: Question
    is_complete: Callable[[Row], bool]
    make: Callable[[Row], Job | Recommendation]
    read: Callable[[Registry, str], Job | Recommendation]


def _read_recommendation(registry: Registry, id: str) -> Recommendation:
    row = registry.recommendations.get(id)
    return recommendation_document(row, registry.jobs.get(row.job_id), webhook_document(registry, row.job_id))


A_JOB = Polled(
    kind="job",
    question=JOB,
    mark=JOB_MARK,
    is_complete=lambda row: True,
    make=lambda row: job_document(job_of(row)),
    read=lambda registry, id: job_document(registry.jobs.get(id)),
)
A_RECOMMENDATION = Polled(
    kind="recommendation",
    question=RECOMMENDATION,
    mark=RECOMMENDATION_MARK,
    is_complete=lambda row: not row[-1],  # no webhook
    make=lambda row: recommendation_document(*recommendation_of(row)),
    read=_read_recommendation,
)


class Polls:
    """Answers polls, and caches recent answers with a digest of their row or of its mark.

    Every poll reads one of the two, so it notices every write, from any process and by any means.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._questions = Questions(engine)
        self._answers = RenderedAnswers()

    async def answer(self, request: Request, polled: Polled, id: str) -> Response:
        """The current document of the resource, or 304.

        Raises:
            NotFoundError: the resource does not exist.
            DatabaseUnavailableError: the database does not answer.
        """
        # Where a row is read within microseconds, reading its mark first saves nothing.
        has_mark = not self._questions.cost_nothing
        seen = await self._row(polled, polled.mark if has_mark else polled.question, id)
        asked, revision = (polled.kind, id), hashlib.blake2b(repr(tuple(seen)).encode(), digest_size=16).hexdigest()
        rendered = self._answers.get(asked, revision)
        if rendered is None or rendered.body is None:
            row = await self._row(polled, polled.question, id) if has_mark else seen
            rendered = await self._made(polled, id, row)
            if polled.is_complete(row):
                # A row newer than its mark does no harm: the next poll reads another mark.
                self._answers.keep(asked, revision, rendered)
        return conditional_body(request, rendered.body or b"", rendered.tag, "application/json", rendered.headers)

    async def _row(self, polled: Polled, question: Question, id: str) -> Row:
        rows = await self._questions.ask(question, id=id)
        if not rows:
            raise NotFoundError(polled.kind, id)
        return rows[0]

    async def _made(self, polled: Polled, id: str, row: Row) -> Rendered:
        if not polled.is_complete(row):
            return await run_in_threadpool(self._read, polled, id)
        if sum(len(value) for value in row if isinstance(value, str)) > LARGE:
            return await run_in_threadpool(_rendered_row, polled, row)
        return _rendered_row(polled, row)

    def _read(self, polled: Polled, id: str) -> Rendered:
        with reading(self._engine) as registry:
            return _rendered(polled.read(registry, id))


def _rendered_row(polled: Polled, row: Row) -> Rendered:
    return _rendered(polled.make(row))


def _rendered(document: Job | Recommendation) -> Rendered:
    body = document.model_dump_json().encode()
    return Rendered(body, tag_of(body), poll_again(document))
