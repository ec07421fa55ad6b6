"""A few rounds of chaos, always the same ones; `make chaos` plays as many as one likes."""

import pytest

from tests.chaos.rounds import chaos_on
from tests.chaos.servers import PAIRS, workplace

pytestmark = pytest.mark.system

SEED = 1
FAULTS = {
    "sqlite+filesystem": ("freeze_worker", "end_all"),
    "postgresql+valkey": ("kill_worker", "lose_messages", "take_database_away"),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_nothing_is_lost_and_nothing_done_twice(pair: str) -> None:
    with workplace() as folder, chaos_on(pair, folder / "home", seed=SEED) as chaos:
        for fault in FAULTS[pair]:
            played = chaos.play(fault)
            assert sum(played.ends.values()) == played.jobs
            assert played.broken_rules == [], fault
