"""Where a benchmark ran, and the folder that keeps what it found."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("ldnas", "torch", "torchvision", "numpy", "celery", "fastapi", "sqlalchemy")


def save(what: str, result: dict[str, Any]) -> Path:
    """Writes `results/<date>_<what>/{result,environment}.json` and gives the folder."""
    folder = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}_{what}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in (("result", result), ("environment", environment())):
        (folder / f"{name}.json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    return folder


def environment() -> dict[str, Any]:
    """Commit, interpreter, packages and processor."""
    git = ("git", "-C", str(RESULTS.parent))
    return {
        "commit": commit_of(RESULTS.parent),
        "uncommitted_changes": bool(
            subprocess.check_output([*git, "status", "--porcelain", "-uno"], text=True).strip()
        ),
        "python": platform.python_version(),
        "packages": {package: found for package in PACKAGES if (found := _version(package)) is not None},
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
    }


def commit_of(checkout: Path) -> str:
    """The commit of a checkout."""
    return subprocess.check_output(("git", "-C", str(checkout), "rev-parse", "HEAD"), text=True).strip()


def _version(package: str) -> str | None:
    """The installed version; None for a package that this benchmark runs without."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
