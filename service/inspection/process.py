"""Has a file looked through by a process of its own; needs the standard library alone."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from service.client.errors import ClientError, MissingPackageError
from service.inspection.report import Report

_MISSING = re.compile(r"^ModuleNotFoundError: No module named '([\w.]+)'", re.MULTILINE)
_EXTRAS = {"pyarrow": "service"}


class InspectionFailedError(ClientError):
    """The process that looked at a file ended before it had a report."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} could not be looked through: {reason}; --no-check leaves it to the service")


def inspect(path: Path, name: str, columns: Mapping[str, str], on_image: Callable[[int, int | None], None]) -> Report:
    """What is in a file.

    Args:
        path: an existing file.
        name: what messages call it.
        columns: the Parquet columns by their key in a dataset reference.
        on_image: hears how many images were looked at; of how many is not known before the end.

    Raises:
        MissingPackageError: this installation cannot decode images, or not read Parquet.
        InspectionFailedError: the process ended over it.
    """
    command = [sys.executable, "-m", "service.inspection", str(path), name, json.dumps(columns)]
    report: Report | None = None
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True) as child,
    ):
        try:
            assert child.stdout is not None
            for line in child.stdout:
                told = json.loads(line)
                if "report" in told:
                    report = Report.from_json(told["report"])
                else:
                    on_image(told["seen"], None)
        except BaseException:  # an interruption too leaves no process behind
            child.kill()
            raise
        status = child.wait()
        errors.seek(0)
        said = errors.read()
    if report is not None and status == 0:
        return report
    if missing := _MISSING.search(said):
        package = missing[1].partition(".")[0]
        raise MissingPackageError(package, _EXTRAS.get(package, "predict"))
    reason = f"signal {-status} ended the process" if status < 0 else (said.strip().splitlines() or ["no reason"])[-1]
    raise InspectionFailedError(name, reason)
