"""How a fault strikes a process: inside a transaction where the dice say so, else at whatever moment it is."""

import signal
from collections.abc import Callable, Collection
from dataclasses import dataclass
from random import Random

from tests.chaos.fleet import WORKERS, Fleet, Runner, send, until
from tests.chaos.locks import lock_held
from tests.chaos.traps import RUNNER

TRAP_SECONDS = 4.0
"""How long a trap waits for a transaction; then the fault strikes outside of any."""

MOST_TRANSACTIONS = 3
"""A trap strikes in one of so many transactions, drawn by chance."""


@dataclass(frozen=True)
class Strike:
    """The processes and the transaction that a fault struck.

    Attributes:
        pids: the processes that got the signal.
        inside: the first words of the statement in whose transaction it struck, None where it struck in none.
        lock_held: whether afterwards a transaction of the fleet held its locks on and on.
    """

    pids: Collection[int] = ()
    inside: str | None = None
    lock_held: bool = False


def strike(
    fleet: Fleet,
    random: Random,
    part: str,
    number: signal.Signals,
    pids: Callable[[], Collection[int]],
    *,
    transactions: int = MOST_TRANSACTIONS,
) -> Strike:
    """Send the signal to a process of this part inside its transaction, or to `pids()` at once."""
    nth, inside = random.randint(1, transactions), random.random() < fleet.inside_share
    if inside:
        fleet.traps.arm(part, number, nth=nth)
        # Real runners take seconds to their first transaction; the pace knows how many.
        seconds = max(TRAP_SECONDS, fleet.pace.longest_delay)
        if (record := fleet.traps.wait(part, seconds)) is not None:
            return Strike((record.pid,), record.statement, lock_held(fleet.engine))
    struck = pids()
    send(number, *struck)
    return Strike(struck, None, lock_held(fleet.engine))


def strike_part(fleet: Fleet, random: Random, name: str, number: signal.Signals) -> Strike:
    """Send the signal to the API, the dispatcher or a worker."""
    # An API has a transaction for each request, and most rounds have one request left.
    transactions = 1 if name == "api" else MOST_TRANSACTIONS
    return strike(fleet, random, name, number, lambda: [fleet.pid(name)], transactions=transactions)


def strike_runner(fleet: Fleet, random: Random, number: signal.Signals) -> Strike:
    """Send the signal to one runner inside its transaction, or to all runners at work."""
    return strike(fleet, random, RUNNER, number, lambda: [runner.computing for runner in some_runner(fleet)])


def some_runner(fleet: Fleet) -> list[Runner]:
    """The runners at work, as soon as there is one; none if none comes."""
    try:
        return until(fleet.runners, "a runner", 2.0)
    except TimeoutError:
        return []


def busy_worker(fleet: Fleet, random: Random) -> str:
    """A worker that has a runner, or any if none has."""
    return random.choice([runner.worker for runner in some_runner(fleet)] or list(WORKERS))
