"""Which faults each pair can have, and in which order they are played."""

from collections import Counter

import pytest

from tests.chaos.faults import FAULTS, FREEZES, faults_of
from tests.chaos.rounds import order_of_faults
from tests.chaos.servers import PAIRS, Embedded, Servers

OF_SERVERS = {"freeze_backend", "freeze_broker", "swallow_packets"}


def test_only_servers_can_be_frozen_and_be_out_of_reach() -> None:
    assert set(faults_of(Servers.name)) == set(FAULTS)
    assert set(faults_of(Servers.name)) - set(faults_of(Embedded.name)) == OF_SERVERS


def test_the_freezes_end_nothing() -> None:
    assert set(FREEZES) == {name for name in FAULTS if name.startswith("freeze_")} | {"stop_reading", "swallow_packets"}
    assert set(faults_of(Embedded.name, freezes_only=True)) == set(FREEZES) - OF_SERVERS


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("freezes_only", [False, True])
def test_each_fault_of_the_pair_comes_as_often_as_every_other(pair: str, freezes_only: bool) -> None:
    names = faults_of(pair, freezes_only=freezes_only)
    drawn = Counter(order_of_faults(3 * len(names), 1, pair, freezes_only=freezes_only))
    assert drawn == dict.fromkeys(names, 3)
    assert order_of_faults(60, 1, pair) == order_of_faults(60, 1, pair)
    assert order_of_faults(60, 1, pair) != order_of_faults(60, 2, pair)
