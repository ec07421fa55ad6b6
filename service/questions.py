"""Questions to the registry that nearly every request asks: past threads and transactions wherever that can be."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool

from worker.registry.quick_reader import Question, QuickReader
from worker.registry.session import Engine, reading


class Questions:
    """Asks within microseconds (SQLite) or one round trip (PostgreSQL), else by one short transaction in a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = QuickReader(engine)
        self.cost_nothing = engine.dialect.name == "sqlite"
        """Whether asking is as quick as remembering."""

    async def ask(self, question: Question, **parameters: Any) -> Sequence[Sequence[Any]]:
        """The rows as they are committed now.

        Raises:
            DatabaseUnavailableError: nobody can tell.
        """
        rows = await self._reader.ask(question, **parameters)
        return await run_in_threadpool(self._ask_thoroughly, question, parameters) if rows is None else rows

    def _ask_thoroughly(self, question: Question, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        with reading(self._engine) as registry:
            return registry.keys.ask(question, **parameters)
