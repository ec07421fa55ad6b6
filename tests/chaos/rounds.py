"""One round: jobs in flight, one fault at a random moment, a restart of every part, and a check of the invariants."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy.orm import Session

from tests.chaos import invariants
from tests.chaos.faults import FAULTS, faults_of
from tests.chaos.fleet import INSIDE_SHARE, Fleet, until
from tests.chaos.jobs import Asked, Customer, Wish, draw_stripes
from tests.chaos.servers import pair_named
from tests.chaos.strikes import Strike
from worker.registry import JobRow, JobState, reading
from worker.storage.artifacts import open_store
from worker.storage.cleaner import DAY_SECONDS, clean

CANCELLED_SHARE = 0.1

LATE_SECONDS = 0.3
"""After the fault has begun the last job is asked for: its request finds the traps armed."""

LATEST_CANCEL_SECONDS = 6.0
"""A cancelled job is cancelled while the fault is on, or soon after it."""


@dataclass(frozen=True)
class Round:
    """The result of one round; the sentences say which rules were broken.

    Attributes:
        struck: the stage of each job that ran when the fault began; `begin` before its first.
        inside: the first words of the statement in whose transaction the fault struck, None where it struck in none.
        lock_held: whether a transaction held its locks while the fault was on.
        longest_call_seconds: of the customer's calls.
        lost: also a sentence for each call that had no answer within its limit.
        wrong_answers: the answers that the API should not have given.
        unowned: files that no row owned, all of which the cleaner removed unless `broken_artifacts` says otherwise.
    """

    fault: str
    jobs: int
    seconds: float
    ends: dict[str, int]
    attempts: int
    struck: list[str] = field(default_factory=list)
    inside: str | None = None
    lock_held: bool = False
    longest_call_seconds: float = 0.0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    broken_artifacts: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    wrong_answers: list[str] = field(default_factory=list)
    unowned: int = 0

    @property
    def broken_rules(self) -> list[str]:
        """Everything that should not have been, in sentences."""
        crashed = [f"the {name} ended by itself" for name in self.crashed]
        rows = [*self.lost, *self.doubled, *self.contradictions, *self.broken_artifacts]
        return [*rows, *crashed, *self.wrong_answers]

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
        self.customer.calls.begin_round()
        *wishes, late = self.customer.draw(jobs)
        asked = [self.customer.ask(wish) for wish in wishes]
        time.sleep(self._random.uniform(0.0, self.fleet.pace.longest_delay))
        crashed = self.fleet.crashed()
        struck = self._stages_at_work()
        with self._polling(wishes, asked):
            with ThreadPoolExecutor(2) as meanwhile:
                coming = meanwhile.submit(self._ask_late, late)
                going = meanwhile.submit(self._cancel_late, *self._cancellation(asked))
                strike = FAULTS[fault](self.fleet, self._random, [item.job_id for item in asked]) or Strike()
                crashed += [name for name in self.fleet.crashed() if name not in crashed]
                self.fleet.start_missing()
                refused = [*_refusals(lambda: asked.append(coming.result())), *_refusals(going.result)]
            with suppress(TimeoutError):  # a job that has not ended is lost, and the invariants report it
                self.customer.wait(asked)
        seconds = time.monotonic() - began
        with suppress(TimeoutError):  # an attempt that lost its job may still be writing
            until(lambda: not self.fleet.runners(), "no runner is left", self.fleet.pace.stall)
        item = self._check_invariants(fault, asked, struck=struck, crashed=crashed, seconds=seconds)
        return self._with_calls(item, strike, refused)

    def _ask_late(self, wish: Wish) -> Asked:
        time.sleep(LATE_SECONDS)
        return self.customer.ask(wish)

    def _cancellation(self, asked: list[Asked]) -> tuple[list[Asked], float]:
        """Which jobs the customer cancels, one or none, and how long after the fault has begun."""
        chosen = [self._random.choice(asked)] if self._random.random() < CANCELLED_SHARE else []
        return chosen, self._random.uniform(0.0, LATEST_CANCEL_SECONDS)

    def _cancel_late(self, chosen: list[Asked], seconds: float) -> None:
        if chosen:
            time.sleep(seconds)
            self.customer.cancel(chosen[0])

    @contextmanager
    def _polling(self, wishes: list[Wish], asked: list[Asked]) -> Iterator[None]:
        """Have the customer look at its jobs, and repeat its requests, all the while."""
        enough = threading.Event()
        with ThreadPoolExecutor(1) as poller:
            polling = poller.submit(self.customer.poll, wishes, [*asked], enough)
            try:
                yield
            finally:
                enough.set()
            polling.result()

    def _with_calls(self, item: Round, strike: Strike, refused: list[str]) -> Round:
        calls = self.customer.calls
        return replace(
            item,
            inside=strike.inside,
            lock_held=strike.lock_held,
            longest_call_seconds=round(calls.longest_seconds, 2),
            lost=[*item.lost, *calls.unanswered, *refused],
            wrong_answers=calls.wrong_answers,
        )

    def _stages_at_work(self) -> list[str]:
        with reading(self.fleet.engine) as registry:
            return [job.stage or "begin" for job in registry.jobs.list(state=JobState.RUNNING)]

    def _check_invariants(
        self, fault: str, asked: list[Asked], *, struck: list[str], crashed: list[str], seconds: float
    ) -> Round:
        ids = [item.job_id for item in asked]
        unowned, broken = self._clean_up()
        with Session(self.fleet.engine) as session:
            rows = [row for row in (session.get(JobRow, job_id) for job_id in ids) if row is not None]
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
        """How many files no row owned, and the broken artifacts before and after a run of the cleaner."""
        with Session(self.fleet.engine) as session:
            unowned, broken = len(self._store.unowned(session)), self._store.broken(session)
        clean(self.fleet.engine, open_store(self.fleet.settings), DAY_SECONDS, grace_seconds=0.0)
        with Session(self.fleet.engine) as session:
            broken += [f"after the cleaner: {sentence}" for sentence in self._store.broken(session)]
            broken += [f"{path} has no owner, and the cleaner left it" for path in self._store.unowned(session)]
        return unowned, broken


@contextmanager
def chaos_on(
    pair: str, home: Path, *, seed: int, runners: str = "short", inside_share: float = INSIDE_SHARE
) -> Iterator[Chaos]:
    """Chaos on a fleet of its own on this pair, with all its files below `home`."""
    dataset = draw_stripes(home / "datasets" / "stripes")
    servers = pair_named(pair, home)
    fleet = Fleet(home, servers, datasets=dataset.parent, runners=runners, inside_share=inside_share)
    try:
        fleet.start()
        chaos = Chaos(fleet, dataset, seed)
        chaos.customer.prepare()
        yield chaos
    finally:
        fleet.stop()


def order_of_faults(rounds: int, seed: int, pair: str, *, freezes_only: bool = False) -> list[str]:
    """Each fault of the pair as often as every other, as far as the number allows, in an order by chance."""
    names = faults_of(pair, freezes_only=freezes_only)
    order = (names * (rounds // len(names) + 1))[:rounds]
    Random(seed).shuffle(order)
    return order


def _refusals(act: Callable[[], object]) -> list[str]:
    """A sentence where a request was not accepted for all of the customer's patience."""
    try:
        act()
    except TimeoutError as error:
        return [str(error)]
    return []
