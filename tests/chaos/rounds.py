"""One round: jobs in flight, one fault at a random moment, everything started again, and then the books are read."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy.orm import Session

from tests.chaos import invariants
from tests.chaos.faults import FAULTS
from tests.chaos.fleet import Fleet
from tests.chaos.jobs import Asked, Customer, draw_stripes
from tests.chaos.servers import pair_named
from worker.registry.models import Job

LONGEST_DELAY_SECONDS = 1.5
CANCELLED_SHARE = 0.1


@dataclass(frozen=True)
class Round:
    """What came of one round; the sentences tell which rules were broken."""

    fault: str
    jobs: int
    seconds: float
    ends: dict[str, int]
    attempts: int
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    broken_artifacts: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    unowned: int = 0

    @property
    def broken_rules(self) -> list[str]:
        """Everything that should not have been, in sentences."""
        crashed = [f"the {name} ended by itself" for name in self.crashed]
        return [*self.lost, *self.doubled, *self.contradictions, *self.broken_artifacts, *crashed]

    @property
    def sound(self) -> bool:
        """Whether every rule held."""
        return not self.broken_rules

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


class Chaos:
    """Plays rounds on a fleet. The dice decide which jobs, which of them are cancelled, and when the fault strikes."""

    def __init__(self, fleet: Fleet, dataset: Path, seed: int) -> None:
        self.fleet = fleet
        self._random = Random(seed)
        self.customer = Customer(fleet, dataset, self._random)
        self._store = invariants.Store(fleet.store)

    def play(self, fault: str, *, jobs: int = 2) -> Round:
        """One round of this fault; the last of the jobs is asked for while it strikes."""
        began = time.monotonic()
        *wishes, late = self.customer.draw(jobs)
        asked = [self.customer.ask(wish) for wish in wishes]
        time.sleep(self._random.uniform(0.0, LONGEST_DELAY_SECONDS))
        crashed = self.fleet.crashed()
        with ThreadPoolExecutor(1) as meanwhile:
            coming = meanwhile.submit(self.customer.ask, late)
            FAULTS[fault](self.fleet, self._random, [item.job_id for item in asked])
            crashed += [name for name in self.fleet.crashed() if name not in crashed]
            self.fleet.start_missing()
            asked.append(coming.result())
        if self._random.random() < CANCELLED_SHARE:
            self.customer.cancel(self._random.choice(asked))
        with suppress(TimeoutError):  # what has not ended is lost, and the books tell so
            self.customer.wait(asked)
        return self._read_books(fault, asked, crashed, time.monotonic() - began)

    def _read_books(self, fault: str, asked: list[Asked], crashed: list[str], seconds: float) -> Round:
        ids = [item.job_id for item in asked]
        with Session(self.fleet.engine) as session:
            rows = [row for row in (session.get(Job, job_id) for job_id in ids) if row is not None]
            ends: dict[str, int] = {}
            for row in rows:
                ends[row.state.value] = ends.get(row.state.value, 0) + 1
            return Round(
                fault=fault,
                jobs=len(asked),
                seconds=round(seconds, 2),
                ends=ends,
                attempts=sum(row.attempt for row in rows),
                lost=invariants.lost(session, ids),
                doubled=invariants.doubled(session, {item.key: item.job_id for item in asked}),
                contradictions=invariants.contradictions(session, ids),
                broken_artifacts=self._store.broken(session),
                crashed=crashed,
                unowned=len(self._store.unowned(session)),
            )


@contextmanager
def chaos_on(pair: str, home: Path, *, seed: int, runners: str = "short") -> Iterator[Chaos]:
    """Chaos on a fleet of its own on this pair, with all its files below `home`."""
    dataset = draw_stripes(home / "datasets" / "stripes")
    fleet = Fleet(home, pair_named(pair, home), datasets=dataset.parent, runners=runners)
    try:
        fleet.start()
        chaos = Chaos(fleet, dataset, seed)
        chaos.customer.prepare()
        yield chaos
    finally:
        fleet.stop()


def order_of_faults(rounds: int, seed: int) -> list[str]:
    """Each fault as often as every other, as far as the number allows, in an order by chance."""
    names = list(FAULTS) * (rounds // len(FAULTS) + 1)
    names = names[:rounds]
    Random(seed).shuffle(names)
    return names
