"""Queries that nearly every request makes: without threads and transactions where possible."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool

from worker.registry import Engine, Question, QuickReader, reading


class Questions:
    """Queries within microseconds (SQLite) or one round trip (PostgreSQL), else by a short transaction in a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = QuickReader(engine)
        self.cost_nothing = engine.dialect.name == "sqlite"
        """Whether a query is as fast as a lookup in a cache."""

    async def ask(self, question: Question, **parameters: Any) -> Sequence[Sequence[Any]]:
        """The currently committed rows.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        rows = await self._reader.ask(question, **parameters)
        return await run_in_threadpool(self._ask_thoroughly, question, parameters) if rows is None else rows

    def _ask_thoroughly(self, question: Question, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        with reading(self._engine) as registry:
            return registry.keys.ask(question, **parameters)
