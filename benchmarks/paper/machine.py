"""Where a unit ran. Works without git and without ldnas being installed."""

import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torchvision

ROOT = Path(__file__).parents[2]


def device_of(name: str | None) -> torch.device:
    """The named device, else the accelerator if there is one, else the CPU."""
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def environment(device: torch.device) -> dict[str, Any]:
    """Commit, packages, device and threads."""
    return {
        "commit": _git("rev-parse", "HEAD") or os.environ.get("LDNAS_COMMIT", "unknown"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "-uno")),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "threads": torch.get_num_threads(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_average": os.getloadavg()[0],
    }


@cache  # of the program that runs, whatever becomes of the checkout meanwhile
def _git(*arguments: str) -> str:
    try:
        return subprocess.check_output(
            ("git", "-C", str(ROOT), *arguments), text=True, stderr=subprocess.DEVNULL
        ).strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
