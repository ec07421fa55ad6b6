"""The clock of CPU seconds stays in the programs that ask for it: a test that imports them keeps the usual clock."""

import importlib
import time

import pytest


@pytest.mark.parametrize("program", ["forecast", "recommendation.__main__"])
def test_importing_a_benchmark_leaves_the_clock_alone(program: str) -> None:
    importlib.import_module(f"benchmarks.{program}")
    began, computed = time.monotonic(), time.process_time()
    time.sleep(0.2)
    assert time.monotonic() - began > time.process_time() - computed
