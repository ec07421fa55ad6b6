"""The memo of a job: results that one attempt computes and stores, and that the attempts after it use again.

A second computation may differ: clocks and latencies do, and so does the set of baselines. The answer of a job must not
change because its runner was killed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from worker.registry import Engine, Registry, reading, unit_of_work

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Codec(Generic[ResultT]):
    """Converts a result to a JSON value, and the JSON value to an equal result."""

    to_json: Callable[[ResultT], Any]
    from_json: Callable[[Any], ResultT]


class JobMemo:
    """The values by name, read at the first use. Only this attempt may write them."""

    def __init__(self, engine: Engine, job_id: str, attempt: int) -> None:
        self._engine = engine
        self._job_id = job_id
        self._attempt = attempt
        self._loaded: dict[str, Any] | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def stored(self, name: str, codec: Codec[ResultT]) -> ResultT:
        """The result that an earlier stage or attempt stored under this name.

        Raises:
            KeyError: nothing is stored under it.
        """
        return codec.from_json(self._values[name])

    def once(
        self,
        name: str,
        compute: Callable[[], ResultT],
        codec: Codec[ResultT],
        also: Callable[[Registry, ResultT], None] = lambda registry, result: None,
    ) -> ResultT:
        """The result stored under this name; computed and stored now if no attempt has done so.

        `also` writes what belongs to a new result, in the transaction that stores it.

        Raises:
            AttemptLostError: another process holds the job by now; nothing is stored.
        """
        if name in self._values:
            return codec.from_json(self._values[name])
        result = compute()
        value = codec.to_json(result)
        with unit_of_work(self._engine) as registry:
            registry.memos.store(self._job_id, self._attempt, {name: value})
            also(registry, result)
        self._values[name] = value
        return result

    def add(self, values: Mapping[str, Any]) -> None:
        """Store the JSON values whose names have no value yet.

        Raises:
            AttemptLostError: another process holds the job by now; nothing is stored.
        """
        missing = {name: value for name, value in values.items() if name not in self._values}
        if not missing:
            return
        with unit_of_work(self._engine) as registry:
            registry.memos.store(self._job_id, self._attempt, missing)
        self._values.update(missing)

    @property
    def _values(self) -> dict[str, Any]:
        if self._loaded is None:
            with reading(self._engine) as registry:
                self._loaded = registry.memos.of_job(self._job_id)
        return self._loaded
