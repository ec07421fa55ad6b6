"""The run for a GPU, rehearsed on the processor."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks import gpu

ROOT = Path(__file__).parents[2]


def test_every_part_of_the_run_for_a_gpu_works_on_a_processor() -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--rehearse"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert found.returncode == 0, found.stderr
    parts = {}
    for line in found.stdout.splitlines():
        if line.startswith('{"'):
            parts |= json.loads(line)
    assert parts["tests"]["result"]["status"] == 0, parts["tests"]
    rows = parts["fisher"]["result"]
    assert [row["way"] for row in rows if "ratio" in row] == ["ldnas"]
    assert max(error["relative"] for row in rows for error in row.get("errors", {}).values()) < 1e-4
    chosen = [set(row["chosen"].values()) for row in parts["fuse"]["result"] if row["variant"] == "expected"]
    assert all(len(each) == 1 for each in chosen), "every way chooses the same candidate"
    race = parts["task6"]["result"]
    assert race["parameters"] <= gpu.MOST_PARAMETERS
    assert 0 <= race["accuracy"] <= 1
