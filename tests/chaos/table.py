"""The results of the rounds, by fault: as a table to read and as the benchmark's files."""

import json
import runpy
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.chaos.calls import CALL_LIMIT_SECONDS
from tests.chaos.faults import faults_of
from tests.chaos.rounds import Round

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RESULTS = BENCHMARKS / "results"

_COLUMNS = (
    "rounds",
    "struck",
    "jobs",
    "succeeded",
    "cancelled",
    "failed",
    "attempts",
    "lost",
    "doubled",
    "other",
    "inside",
    "locks",
    "longest call",
    "seconds",
)


def summary(rounds: Sequence[Round]) -> dict[str, dict[str, Any]]:
    """The figures of each fault, and of all of them.

    `lost` and `doubled` count jobs' broken rules, `lost` also calls without an answer; `other` counts contradictions
    between rows, broken artifacts, processes that ended without being killed, and wrong answers. `struck` are the
    rounds that had a job running when the fault began, and `stages` says how many jobs it met in each. `inside` counts
    strikes inside a transaction, `locks` the rounds in which a transaction held its locks while the fault was on.
    `longest call` is the customer's, in seconds; `seconds` is the median round, from the first request to the last end.
    """
    names = sorted({item.fault for item in rounds})
    return {
        **{name: _figures([item for item in rounds if item.fault == name]) for name in names},
        "all": _figures(rounds),
    }


def _figures(rounds: Sequence[Round]) -> dict[str, Any]:
    ends: Counter[str] = Counter()
    for item in rounds:
        ends.update(item.ends)
    return {
        "rounds": len(rounds),
        "struck": sum(bool(item.struck) for item in rounds),
        "stages": dict(sorted(Counter(stage for item in rounds for stage in item.struck).items())),
        "jobs": sum(item.jobs for item in rounds),
        **{end: ends[end] for end in ("succeeded", "cancelled", "failed")},
        "attempts": sum(item.attempts for item in rounds),
        "lost": sum(len(item.lost) for item in rounds),
        "doubled": sum(len(item.doubled) for item in rounds),
        "other": sum(
            len(item.contradictions) + len(item.broken_artifacts) + len(item.crashed) + len(item.wrong_answers)
            for item in rounds
        ),
        "inside": sum(item.inside is not None for item in rounds),
        "locks": sum(item.lock_held for item in rounds),
        "longest call": max(item.longest_call_seconds for item in rounds),
        "seconds": round(statistics.median(item.seconds for item in rounds), 1),
    }


def table(played: Mapping[str, Sequence[Round]]) -> str:
    """A table of each pair in Markdown."""
    lines = []
    for pair, rounds in played.items():
        lines += [f"\n{pair}\n", "| fault | " + " | ".join(_COLUMNS) + " |", "|---" * (len(_COLUMNS) + 1) + "|"]
        for fault, figures in summary(rounds).items():
            lines.append(f"| {fault} | " + " | ".join(str(figures[column]) for column in _COLUMNS) + " |")
    return "\n".join(lines)


def save(
    played: Mapping[str, Sequence[Round]], *, seed: int, runners: str, freezes_only: bool, folder: Path = RESULTS
) -> Path:
    """Writes `{result,environment}.json` and gives the folder: `benchmarks/results/<date>_chaos`.

    Runners that are not short have a folder of their own, `…_chaos_real`, and so do the freezes, `…_chaos_freezes`.
    `faults` are those that each pair could have.
    """
    # By its path: other packages bring folders called `benchmarks` too.
    environment = runpy.run_path(str(BENCHMARKS / "environment.py"))["environment"]
    what = ["chaos", *(["freezes"] if freezes_only else []), *([runners] if runners != "short" else [])]
    folder = folder / f"{datetime.now(UTC):%Y-%m-%d}_{'_'.join(what)}"
    folder.mkdir(parents=True, exist_ok=True)
    result = {
        "seed": seed,
        "runners": runners,
        "call_limit_seconds": CALL_LIMIT_SECONDS,
        "faults": {pair: faults_of(pair, freezes_only=freezes_only) for pair in played},
        "pairs": {
            pair: {"by_fault": summary(rounds), "rounds": [item.to_json() for item in rounds]}
            for pair, rounds in played.items()
        },
    }
    for name, value in (("result", result), ("environment", environment())):
        (folder / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    return folder
