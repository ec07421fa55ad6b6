"""A worker has one slot per device that it may use."""

import sys
from pathlib import Path

import pytest

from worker.queue.worker_main import slots
from worker.settings import Settings


@pytest.mark.parametrize(
    ("device", "visible", "files", "expected"),
    [
        ("auto", None, [], ("cpu",)),
        ("auto", None, ["dxg"], ("auto",)),
        ("auto", None, ["kfd"], ("auto",)),
        ("auto", None, ["nvidia0", "nvidiactl", "nvidia-uvm"], ("auto",)),
        ("auto", None, ["nvidia0", "nvidia1", "nvidiactl"], ("cuda:0", "cuda:1")),
        ("auto", "2,3", ["nvidia0", "nvidia1", "nvidia2", "nvidia3"], ("cuda:0", "cuda:1")),
        ("auto", "", ["nvidia0", "nvidia1"], ("auto",)),
        ("cpu", None, ["nvidia0", "nvidia1"], ("cpu",)),
        ("cuda:1", None, ["nvidia0", "nvidia1"], ("cuda:1",)),
    ],
)
def test_slots_follow_the_setting_then_the_visible_gpus(
    device: str,
    visible: str | None,
    files: list[str],
    expected: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in files:
        (tmp_path / name).touch()
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert slots(Settings.from_environment({"LDNAS_DEVICE": device}), environment, tmp_path) == expected
