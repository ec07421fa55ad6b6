"""Answers polls: renders an answer again only when its row has changed."""

import hashlib
import pickle
from collections.abc import Callable, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from service.api.http.accepted import poll_again
from service.api.http.conditional import conditional_body, tag_of
from service.api.polling.rendered import Rendered, RenderedAnswers
from service.api.serializers import job_document, recommendation_document
from service.api.webhooks import webhook_document
from service.schemas.answer import Recommendation
from service.schemas.jobs import Job
from worker.errors import NotFoundError
from worker.registry import JOB, RECOMMENDATION, Question, QuickReader, job_of, recommendation_of

LARGE = 32_000
"""Bytes of a row from which rendering takes over a millisecond and runs in a thread."""

Row = Sequence[Any]


class Polls:
    """Answers polls, and caches recent answers with a digest of their row.

    Every poll reads the row, so it notices every write, from any process and by any means.
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

    async def _answer(
        self, request: Request, kind: str, id: str, question: Question, render: Callable[[Row], Rendered]
    ) -> Response:
        rows = await self._reader.ask(question, id=id)
        if not rows:
            raise NotFoundError(kind, id)
        row = tuple(rows[0])
        packed = pickle.dumps(row)  # as unambiguous as `repr`, in a twentieth of its time
        asked, revision = (kind, id), hashlib.sha256(packed).hexdigest()
        rendered = self._answers.get(asked, revision)
        if rendered is None or rendered.body is None:
            rendered = await run_in_threadpool(render, row) if len(packed) > LARGE else render(row)
            self._answers.keep(asked, revision, rendered)
        return conditional_body(request, rendered.body or b"", rendered.tag, "application/json", rendered.headers)


def _job(row: Row) -> Rendered:
    return _rendered(job_document(job_of(row)))


def _recommendation(row: Row) -> Rendered:
    recommendation, job, webhook = recommendation_of(row)
    return _rendered(recommendation_document(recommendation, job, webhook_document(webhook)))


def _rendered(document: Job | Recommendation) -> Rendered:
    body = document.model_dump_json().encode()
    return Rendered(body, tag_of(body), poll_again(document))
