"""What is committed of `make chaos`: every fault on both pairs, and nothing lost or done twice."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.servers import PAIRS

RESULTS = sorted((Path(__file__).parents[2] / "benchmarks" / "results").glob("*_chaos*/result.json"))


def ids(path: Path) -> str:
    return path.parent.name


@pytest.mark.parametrize("path", RESULTS, ids=ids)
def test_every_fault_was_drawn_on_both_pairs_and_lost_or_doubled_nothing(path: Path) -> None:
    pairs: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["pairs"]
    for pair in PAIRS:
        rounds = pairs[pair]["rounds"]
        drawn = Counter(item["fault"] for item in rounds)
        assert set(drawn) == set(FAULTS)
        assert {fault: pairs[pair]["by_fault"][fault]["rounds"] for fault in FAULTS} == drawn
        for item in rounds:
            assert sum(item["ends"].values()) == item["jobs"]
            rules = ("lost", "doubled", "contradictions", "broken_artifacts", "crashed")
            assert not any(item[rule] for rule in rules), item


def test_a_hundred_rounds_of_each_pair_are_kept() -> None:
    kept: Counter[str] = Counter()
    for path in RESULTS:
        pairs = json.loads(path.read_text(encoding="utf-8"))["pairs"]
        kept.update({pair: len(pairs[pair]["rounds"]) for pair in PAIRS})
    assert min(kept[pair] for pair in PAIRS) >= 100
