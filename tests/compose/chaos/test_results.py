"""The order of the faults, and the committed results of `make chaos-compose`: no rule was broken."""

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.environment import RESULTS
from tests.compose.chaos.__main__ import RULES
from tests.compose.chaos.faults import FAULTS, order_of_faults

KEPT = sorted(RESULTS.glob("*_chaos_compose/result.json"))


def test_thirty_faults_have_every_kind_in_its_share_and_a_seed_repeats_them() -> None:
    order = order_of_faults(30, 1, {})
    assert Counter(order) == {
        "kill_container": 12,
        "cut_network": 6,
        "fill_disk": 6,
        "jump_clock": 3,
        "restart_engine": 3,
    }
    assert order == order_of_faults(30, 1, {})
    assert order != order_of_faults(30, 2, {})
    assert set(order_of_faults(30, 1, {"jump_clock": "no library"})) == set(FAULTS) - {"jump_clock"}


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.parent.name)
def test_no_rule_was_broken(path: Path) -> None:
    result = json.loads(path.read_text(encoding="utf-8"))
    assert {rule: result[rule] for rule in RULES} == {rule: [] for rule in RULES}
    assert sum(result["ends"].values()) == result["jobs"] >= 40
    assert len(result["faults"]) >= 30
    assert {item["fault"] for item in result["faults"]} == set(FAULTS) - set(result["left_out"])
