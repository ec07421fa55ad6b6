"""The unit of work, and the rows that finished units leave. The rows are the state of a run."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ldnas.digests import json_digest

Row = dict[str, Any]


@dataclass(frozen=True)
class Unit:
    """One run that takes minutes: a network with its Fisher passes, a search with its final training.

    Attributes:
        kind: the kind of work; names the function that does it.
        values: all that its outcome depends on apart from the data and the code, as JSON values.
        estimate_seconds: the time that it should take at its scale's machine; not a part of its identity.
        needs: the units (their ids) whose rows it reads.
    """

    kind: str
    values: Mapping[str, Any]
    estimate_seconds: float = field(default=0.0, compare=False)
    needs: tuple[str, ...] = field(default=(), compare=False)

    @property
    def id(self) -> str:
        """Equal for equal values and needs, so that a changed plan recomputes what it changed, and what reads that."""
        return json_digest({"kind": self.kind, "values": dict(self.values), "needs": sorted(self.needs)})[:20]

    @property
    def name(self) -> str:
        """For people: the kind and its plain values."""
        plain = [str(value) for value in self.values.values() if isinstance(value, str | int)]
        return " ".join([self.kind, *plain])


class Rows:
    """The rows in a folder, a file each, written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, unit_id: str) -> Row | None:
        """The row of a finished unit; None where there is none."""
        file = self._folder / f"{unit_id}.json"
        if not file.exists():
            return None
        row: Row = json.loads(file.read_text(encoding="utf-8"))
        return row

    def of(self, units: Sequence[Unit]) -> list[Row]:
        """The rows of those of the units that are finished, in the units' order."""
        return [row for unit in units if (row := self.get(unit.id)) is not None]

    def keep(self, unit: Unit, row: Row) -> None:
        """Writes a unit's row; a kill before the end of it leaves no row."""
        unfinished = self._folder / f"{unit.id}.{os.getpid()}.unfinished"
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump(row, file, allow_nan=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self._folder / f"{unit.id}.json")

    @contextmanager
    def claimed(self, unit: Unit) -> Iterator[bool]:
        """Whether this process alone may run the unit now; a claim ends with its process, however that ends."""
        claims = self._folder.parent / "claims"
        claims.mkdir(exist_ok=True)
        with (claims / unit.id).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield self.get(unit.id) is None  # another process may have finished it in between

    def is_claimed(self, unit: Unit) -> bool:
        """Whether another process is at the unit."""
        with self.claimed(unit) as mine:
            return not mine and self.get(unit.id) is None


def ready(unit: Unit, rows: Rows) -> bool:
    """Whether all that the unit reads is there."""
    return all(rows.get(needed) is not None for needed in unit.needs)


def forecasts(units: Sequence[Unit], rows: Rows) -> dict[str, float]:
    """Seconds that each unit should take: the longest finished one of its kind and plan group, else its estimate.

    A group is what `values["group"]` says: units of one kind and group do the same amount of work.
    """
    longest: dict[tuple[str, Any], float] = {}
    for unit in units:
        row = rows.get(unit.id)
        if row is not None:
            key = _group(unit)
            longest[key] = max(longest.get(key, 0.0), float(row["seconds"]))
    return {unit.id: longest.get(_group(unit), unit.estimate_seconds) for unit in units}


def _group(unit: Unit) -> tuple[str, Any]:
    return unit.kind, unit.values.get("group")
