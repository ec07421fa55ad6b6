"""A side process computes one function, and is never needed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from worker.jobs.stages import export
from worker.process.side_process import SideProcess
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import reading
from worker.storage.artifacts import open_store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has side processes")

PATIENCE_SECONDS = 20.0


def place_and_sum(*numbers: int) -> tuple[int, int]:
    return os.getpid(), sum(numbers)


def fail(*numbers: int) -> None:
    raise SystemExit(3)


def end(*numbers: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_function_is_computed_in_another_process() -> None:
    side = SideProcess(place_and_sum)
    side.begin(1, 2, 3)
    place, value = side.result()
    assert value == 6
    assert place != os.getpid()


@pytest.mark.parametrize("function", [fail, end])
def test_a_function_that_fails_or_crashes_has_no_value(function) -> None:
    side = SideProcess(function)
    side.begin(1)
    assert side.result() is None


def test_a_process_that_has_ended_is_asked_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    side = SideProcess(end)
    side.begin(1)
    assert side.result() is None
    side.begin(b"more than a pipe holds" * 10_000)
    assert side.result() is None


def test_a_finished_network_is_traced_in_the_side_process(
    settings, engine, add_recommendation, claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    def describe(network: torch.nn.Module, image_size: int) -> tuple[int, int, int]:
        return os.getpid(), image_size, sum(tensor.numel() for tensor in network.state_dict().values())

    monkeypatch.setattr(export, "export_program", describe)
    monkeypatch.setattr(export, "save_program", lambda program, metadata: json.dumps(program).encode())
    job = claim(add_recommendation())
    ending = runner.run(settings, engine, job.id, job.attempt, tracing=SideProcess(export.trace))
    assert ending is Ending.RECORDED
    with reading(engine) as registry:
        row = registry.architectures.of_recommendation("answer")
    store = open_store(settings)
    place, image_size, numbers = json.loads(store.read(row.program))
    assert place != os.getpid()
    assert image_size == row.skeleton["image_size"]
    assert numbers == sum(tensor.numel() for tensor in load(store.read(row.weights)).values())


PARENT = """
import os, time
from worker.process.side_process import SideProcess
side = SideProcess(lambda: print(os.getpid(), flush=True) or time.sleep(600))
side.begin()
time.sleep(600)
"""


def test_it_ends_with_its_parent_even_frozen() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        side = int(parent.stdout.readline())
        os.kill(side, signal.SIGSTOP)
        parent.kill()
    give_up = time.monotonic() + PATIENCE_SECONDS
    while _runs(side):
        assert time.monotonic() < give_up
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
