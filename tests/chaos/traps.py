"""Traps: they stop or kill a process between the first writing statement of a transaction and its commit.

A fault arms a trap for a part of the fleet: a file in a folder of the home. Each process of that part looks for the
file after each statement that writes or locks rows. One process claims the trap by renaming the file, writes down who
it is and in which statement, and sends the signal to itself. While no trap is armed, the look costs one `stat`.
"""

import json
import os
import re
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4
from weakref import WeakSet

from sqlalchemy import Connection, Engine, event

FOLDER = "traps"
"""The folder of the traps in the home."""

RUNNER = "runner"
"""The part of all runners together, whichever worker started them."""

WORDS = 6
"""So many words of a statement name it in a record."""

LOOK_SECONDS = 0.02
CLAIM_SECONDS = 1.0
"""Within this time a process that has claimed a trap has written its record."""

_LOCKS_ROWS = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b|.*\bFOR (NO KEY )?(UPDATE|SHARE)\b", re.DOTALL)


@dataclass(frozen=True)
class Record:
    """Where a trap struck: the process, and the first words of the statement after which it struck."""

    pid: int
    statement: str


@dataclass(frozen=True)
class Trap:
    """An armed trap.

    Attributes:
        signal: what the process sends to itself.
        nth: it strikes in this matching transaction, counted by each process for itself from 1.
        begins: only statements that begin so match.
        token: names this trap among all.
    """

    signal: int
    nth: int
    begins: str
    token: str


class Traps:
    """The traps of one home, from the side of the faults."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def arm(self, part: str, number: signal.Signals, *, nth: int = 1, begins: str = "") -> None:
        """Arm the trap of this part; the record of the one before is removed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        _record_of(self._folder, part).unlink(missing_ok=True)
        _write(_armed_of(self._folder, part), asdict(Trap(int(number), nth, begins, uuid4().hex)))

    def record(self, part: str) -> Record | None:
        """Where the trap of this part struck; None where it has not yet."""
        try:
            return Record(**json.loads(_record_of(self._folder, part).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def disarm(self, part: str) -> bool:
        """Disarm the trap; False where a process has claimed it already."""
        try:
            _armed_of(self._folder, part).unlink()
        except FileNotFoundError:
            return False
        return True

    def wait(self, part: str, seconds: float) -> Record | None:
        """Where the armed trap struck; None, and the trap disarmed, where it did not strike within `seconds`."""
        record = self._record_within(part, seconds)
        if record is None and not self.disarm(part):
            record = self._record_within(part, CLAIM_SECONDS)
        return record

    def _record_within(self, part: str, seconds: float) -> Record | None:
        deadline = time.monotonic() + seconds
        while (record := self.record(part)) is None and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        return record


class Trigger:
    """The side of the process: looks for the trap of its part after each statement, and strikes."""

    def __init__(self, home: Path, part: str) -> None:
        self._folder = home / FOLDER
        self._part = part
        self._armed = str(_armed_of(self._folder, part))
        self._counted: WeakSet[Any] = WeakSet()
        self._matches: Counter[str] = Counter()

    def listen(self) -> None:
        """Look after each statement of each engine of this process, and of the processes that it forks."""
        event.listen(Engine, "after_cursor_execute", self._after_statement)

    def _after_statement(
        self, connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if not (_locks(connection, statement) and os.path.exists(self._armed)):
            return
        with suppress(FileNotFoundError):  # another process has claimed it, or the fault has disarmed it
            trap = Trap(**json.loads(Path(self._armed).read_text(encoding="utf-8")))
            if self._is_due(trap, connection, statement):
                self._strike(trap, statement)

    def _is_due(self, trap: Trap, connection: Connection, statement: str) -> bool:
        """Whether this is the first matching statement of the trap's n-th matching transaction."""
        transaction = connection.get_transaction()
        if transaction is None or transaction in self._counted or not statement.lstrip().startswith(trap.begins):
            return False
        self._counted.add(transaction)
        self._matches[trap.token] += 1
        return self._matches[trap.token] == trap.nth

    def _strike(self, trap: Trap, statement: str) -> None:
        os.rename(self._armed, self._folder / f"{_file_name(self._part)}.claimed")
        words = first_words(statement)
        _write(_record_of(self._folder, self._part), asdict(Record(os.getpid(), words)))
        # To this thread: a signal to the process wakes its main thread, and until then this one might commit.
        signal.pthread_kill(threading.get_ident(), trap.signal)


def _locks(connection: Connection, statement: str) -> bool:
    """Whether the statement's transaction holds locks after it."""
    if _LOCKS_ROWS.match(statement) is not None:
        return True
    # `unit_of_work` begins with SQLite's one write lock, whatever it does then.
    writing = not connection.get_execution_options().get("ldnas_reading", False)
    return connection.dialect.name == "sqlite" and writing and statement.startswith("SELECT")


def first_words(statement: str) -> str:
    """The words by which a record names a statement."""
    return " ".join(statement.split()[:WORDS])


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write the file so that it appears whole."""
    draft = path.with_name(f"{path.name}.{uuid4().hex}")
    draft.write_text(json.dumps(content), encoding="utf-8")
    draft.rename(path)


def _file_name(part: str) -> str:
    return part.replace(" ", "")


def _armed_of(folder: Path, part: str) -> Path:
    return folder / f"{_file_name(part)}.armed"


def _record_of(folder: Path, part: str) -> Path:
    return folder / f"{_file_name(part)}.struck"
