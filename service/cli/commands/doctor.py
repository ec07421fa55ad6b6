"""`ldnas doctor`: reports problems of this installation, and their remedies."""

import os
import sys
from typing import Annotated

import typer

from service.cli.commands import options
from worker.errors import SettingsError
from worker.settings import Settings

_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Read every artifact and compare its SHA-256.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check settings, database, broker, files, device, workers and jobs; exit code 1 if a check fails."""
    from service.cli.diagnosis import Finding, Level, diagnose

    findings: list[Finding] = []

    def report(finding: Finding) -> None:
        findings.append(finding)
        if not as_json:
            advice = f"\n      → {finding.advice}" if finding.advice else ""
            print(f"{_MARKS[finding.level]}  {finding.check}: {finding.message}{advice}", flush=True)

    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        report(
            Finding("settings", Level.FAIL, str(error), "correct the variable; docs/reference/settings.md lists them")
        )
    else:
        report(Finding("settings", Level.OK, f"the home is {settings.home}"))
        for finding in diagnose(settings, deep=deep):
            report(finding)
    failed = any(finding.level is Level.FAIL for finding in findings)
    if as_json:
        facts = [
            {"check": found.check, "level": found.level.value, "told": found.message, "advice": found.advice or None}
            for found in findings
        ]
        options.print_json({"ok": not failed, "findings": facts})
    sys.exit(int(failed))
