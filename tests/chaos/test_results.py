"""The committed results of `make chaos`: every fault on each pair that can have it, and nothing lost or done twice."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.calls import CALL_LIMIT_SECONDS
from tests.chaos.faults import FREEZES, faults_of
from tests.chaos.rounds import Round
from tests.chaos.servers import PAIRS
from tests.chaos.table import RESULTS as FOLDER
from tests.chaos.table import save

RESULTS = sorted(path for path in FOLDER.glob("*_chaos*/result.json") if not path.parent.name.endswith("_compose"))

FIRST_FAULTS = (
    *("kill_runner", "kill_worker", "kill_api", "kill_dispatcher", "restart_broker", "lose_messages"),
    *("take_database_away", "freeze_worker", "freeze_runner", "ring_twice", "refuse_artifacts", "fill_disk", "end_all"),
)
"""All that there were when results did not yet say which."""


def ids(path: Path) -> str:
    return path.parent.name


def complaints(result: dict[str, Any]) -> list[str]:
    """A sentence for each part that a result lacks or that is wrong."""
    found = []
    for pair in PAIRS:
        rounds, by_fault = result["pairs"][pair]["rounds"], result["pairs"][pair]["by_fault"]
        drawn = Counter(item["fault"] for item in rounds)
        possible = result.get("faults", dict.fromkeys(PAIRS, FIRST_FAULTS))[pair]
        if set(drawn) != set(possible):
            found.append(f"{pair}: the faults {sorted(set(drawn) ^ set(possible))}")
        if {fault: figures["rounds"] for fault, figures in by_fault.items() if fault != "all"} != drawn:
            found.append(f"{pair}: the rounds of each fault")
        found += [f"{pair}: {item}" for item in rounds if not is_sound(item, result.get("call_limit_seconds"))]
    return found


def is_sound(item: dict[str, Any], call_limit_seconds: float | None) -> bool:
    """Whether all jobs of the round ended, no rule was broken, and no call took longer than the limit."""
    rules = ("lost", "doubled", "contradictions", "broken_artifacts", "crashed")
    broken = any(item[rule] for rule in rules) or bool(item.get("wrong_answers"))
    late = call_limit_seconds is not None and item["longest_call_seconds"] > call_limit_seconds
    return sum(item["ends"].values()) == item["jobs"] and not broken and not late


@pytest.mark.parametrize("path", RESULTS, ids=ids)
def test_every_fault_was_drawn_on_each_pair_and_lost_or_doubled_nothing(path: Path) -> None:
    assert complaints(json.loads(path.read_text(encoding="utf-8"))) == []


def test_a_hundred_rounds_of_each_pair_are_kept() -> None:
    kept: Counter[str] = Counter()
    for path in RESULTS:
        pairs = json.loads(path.read_text(encoding="utf-8"))["pairs"]
        kept.update({pair: len(pairs[pair]["rounds"]) for pair in PAIRS})
    assert min(kept[pair] for pair in PAIRS) >= 100


@pytest.fixture
def saved(tmp_path: Path) -> dict[str, Any]:
    """A new result of the freezes, with one sound round of each on each pair."""
    played = {pair: [sound_round(fault) for fault in faults_of(pair, freezes_only=True)] for pair in PAIRS}
    folder = save(played, seed=1, runners="short", freezes_only=True, folder=tmp_path)
    assert folder.name.endswith("_chaos_freezes")
    result: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return result


def sound_round(fault: str) -> Round:
    return Round(fault, jobs=2, seconds=1.0, ends={"succeeded": 2}, attempts=2, longest_call_seconds=24.9)


def test_a_new_result_is_held_to_the_faults_of_its_pairs_and_to_the_limit_of_a_call(saved: dict[str, Any]) -> None:
    assert complaints(saved) == []
    rounds = saved["pairs"][PAIRS[0]]["rounds"]
    rounds[0]["longest_call_seconds"] = CALL_LIMIT_SECONDS + 0.1
    assert len(complaints(saved)) == 1
    rounds[0] |= {"longest_call_seconds": 1.0, "wrong_answers": ["503 without Retry-After"]}
    assert len(complaints(saved)) == 1
    del rounds[0]
    assert [sentence for sentence in complaints(saved) if FREEZES[0] in sentence]
