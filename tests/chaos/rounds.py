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
from tests.chaos.fleet import Fleet, until
from tests.chaos.jobs import Asked, Customer, draw_stripes
from tests.chaos.servers import pair_named
from worker.artifacts import open_store
from worker.cleaner import DAY_SECONDS, clean
from worker.registry.models import Job, JobState
from worker.registry.session import reading

CANCELLED_SHARE = 0.1


@dataclass(frozen=True)
class Round:
    """What came of one round; the sentences tell which rules were broken.

    Attributes:
        struck: the stage of each job that ran when the fault began; `begin` before its first.
        unowned: files that no row owned, all of which the cleaner removed unless `broken_artifacts` tells otherwise.
    """

    fault: str
    jobs: int
    seconds: float
    ends: dict[str, int]
    attempts: int
    struck: list[str] = field(default_factory=list)
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
        time.sleep(self._random.uniform(0.0, self.fleet.pace.longest_delay))
        crashed = self.fleet.crashed()
        struck = self._stages_at_work()
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
        seconds = time.monotonic() - began
        with suppress(TimeoutError):  # an attempt that lost its job may still be writing
            until(lambda: not self.fleet.runners(), "no runner is left", self.fleet.pace.stall)
        return self._read_books(fault, asked, struck=struck, crashed=crashed, seconds=seconds)

    def _stages_at_work(self) -> list[str]:
        with reading(self.fleet.engine) as registry:
            return [job.stage or "begin" for job in registry.jobs.list(state=JobState.RUNNING)]

    def _read_books(
        self, fault: str, asked: list[Asked], *, struck: list[str], crashed: list[str], seconds: float
    ) -> Round:
        ids = [item.job_id for item in asked]
        unowned, broken = self._clean_up()
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
                broken_artifacts=broken,
                crashed=crashed,
                unowned=unowned,
                struck=struck,
            )

    def _clean_up(self) -> tuple[int, list[str]]:
        """How many files nobody owned, and what is wrong with artifacts before the cleaner was there and after."""
        with Session(self.fleet.engine) as session:
            unowned, broken = len(self._store.unowned(session)), self._store.broken(session)
        clean(self.fleet.engine, open_store(self.fleet.settings.artifact_url), DAY_SECONDS, grace_seconds=0.0)
        with Session(self.fleet.engine) as session:
            broken += [f"after the cleaner: {sentence}" for sentence in self._store.broken(session)]
            broken += [f"{path} has no owner, and the cleaner left it" for path in self._store.unowned(session)]
        return unowned, broken


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
