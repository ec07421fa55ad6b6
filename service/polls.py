"""Polls: an answer is made when what it is made of has changed, and sent as it was otherwise."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from service.documents import job_document, recommendation_document
from service.http.accepted import poll_again
from service.http.conditional import conditional_body, tag_of
from service.questions import Questions
from service.rendered import Rendered, RenderedAnswers
from service.schemas.answer import Recommendation
from service.schemas.jobs import Job
from worker.registry.errors import NotFoundError
from worker.registry.polling import JOB, RECOMMENDATION, job_of, recommendation_of
from worker.registry.quick_reader import Question

LARGE = 32_000
"""Characters of a row whose answer takes so long to make (over a millisecond) that other requests should not wait."""

Row = Sequence[Any]


@dataclass(frozen=True)
class Polled:
    """A kind of resource that is polled.

    Attributes:
        kind: its name, for who asks for one that is not there.
        question: reads the row that an answer is made of, by the resource's `id`.
        make: the answer of such a row.
    """

    kind: str
    question: Question
    make: Callable[[Row], Job | Recommendation]


A_JOB = Polled("job", JOB, lambda row: job_document(job_of(row)))
A_RECOMMENDATION = Polled(
    "recommendation", RECOMMENDATION, lambda row: recommendation_document(*recommendation_of(row))
)


class Polls:
    """Answers to polls, those sent last kept with a digest of the very row that they were made of.

    The row is read at every poll, so nothing that is written anywhere is missed, in whatever way it is written.
    """

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._answers = RenderedAnswers()

    async def answer(self, request: Request, polled: Polled, id: str) -> Response:
        """The resource as it is now, or 304.

        Raises:
            NotFoundError: there is none of this id.
            DatabaseUnavailableError: nobody can tell.
        """
        rows = await self._questions.ask(polled.question, id=id)
        if not rows:
            raise NotFoundError(polled.kind, id)
        source = repr(tuple(rows[0])).encode()
        revision = hashlib.blake2b(source, digest_size=16).hexdigest()
        rendered = self._answers.get((polled.kind, id), revision)
        if rendered is None or rendered.body is None:
            make = run_in_threadpool(_made, polled, rows[0]) if len(source) > LARGE else None
            rendered = _made(polled, rows[0]) if make is None else await make
            self._answers.keep((polled.kind, id), revision, rendered)
        return conditional_body(request, rendered.body or b"", rendered.tag, "application/json", rendered.headers)


def _made(polled: Polled, row: Row) -> Rendered:
    document = polled.make(row)
    body = document.model_dump_json().encode()
    headers: Mapping[str, str] = poll_again(document)
    return Rendered(body, tag_of(body), headers)
