"""Checks a file in a separate process; needs only the standard library."""

import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from service.client.errors import ClientError, MissingPackageError
from service.client.inspection.report import Report
from worker.process.module_command import module_command

_MISSING = re.compile(r"^ModuleNotFoundError: No module named '([\w.]+)'", re.MULTILINE)
_EXTRAS = {"pyarrow": "service"}


class InspectionFailedError(ClientError):
    """The process that checked a file ended without a report."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} could not be checked: {reason}; with --no-check, only the service checks it")


def inspect(path: Path, name: str, stated: Mapping[str, Any], on_image: Callable[[int, int | None], None]) -> Report:
    """Reports the contents of a file.

    Args:
        path: an existing file.
        name: the file's name in messages.
        stated: the Parquet columns and the value range, by their key in a dataset reference.
        on_image: called with the number of images so far; the total (None) is not known before the end.

    Raises:
        MissingPackageError: this installation cannot decode images or read Parquet.
        InspectionFailedError: the process crashed or was killed.
    """
    command = module_command("service.client.inspection", str(path), name, json.dumps(stated))
    report: Report | None = None
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8"
        ) as child,
    ):
        try:
            assert child.stdout is not None
            for line in child.stdout:
                message = json.loads(line)
                if "report" in message:
                    report = Report.from_json(message["report"])
                else:
                    on_image(message["seen"], None)
        except BaseException:  # an interruption must leave no process behind either
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
