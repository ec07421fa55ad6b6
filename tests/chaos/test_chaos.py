"""A few rounds of chaos, always the same ones; `make chaos` plays as many as one likes."""

import pytest

from tests.chaos.calls import CALL_LIMIT_SECONDS
from tests.chaos.faults import FREEZES
from tests.chaos.rounds import chaos_on
from tests.chaos.servers import PAIRS, workplace

pytestmark = pytest.mark.system

SEED = 1
FAULTS = {
    "sqlite+filesystem": ("freeze_worker", "end_all"),
    "postgresql+valkey": ("freeze_runner", "lose_messages", "take_database_away"),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_nothing_is_lost_and_nothing_done_twice(pair: str) -> None:
    """What can strike inside a transaction does so: a frozen process holds its locks."""
    with workplace() as folder, chaos_on(pair, folder / "home", seed=SEED, inside_share=1.0) as chaos:
        for fault in FAULTS[pair]:
            played = chaos.play(fault)
            assert sum(played.ends.values()) == played.jobs
            assert played.broken_rules == [], fault
            assert played.longest_call_seconds <= CALL_LIMIT_SECONDS
            if fault in FREEZES:
                assert played.inside is not None
                assert played.lock_held
