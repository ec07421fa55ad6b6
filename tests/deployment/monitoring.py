"""The rules and the dashboard of `deploy/monitoring`, and the table of alerts in docs/operations.md."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from tests.deployment.compose import ROOT

FOLDER = ROOT / "deploy" / "monitoring"
RULES = FOLDER / "prometheus" / "alerts.yml"
DASHBOARD = FOLDER / "grafana" / "dashboards" / "ldnas.json"

# Of Prometheus itself, and of a node exporter.
NOT_OURS = {"up", "node_filesystem_avail_bytes", "node_filesystem_size_bytes"}

_FUNCTIONS = {"histogram_quantile", "increase", "max", "min", "rate", "sum", "topk", "by"}


@dataclass(frozen=True)
class Alert:
    """When an alert fires, and what it says."""

    expression: str
    minutes: int
    meaning: str


def documented() -> list[Alert]:
    """The rows of the table, in order."""
    table = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").partition("\n## Alerts\n")[2]
    row = r"^\| `(.+?)`(?: for (\d+) min)?(?: \([\w ]+\))? \| (.+?) \|"
    rows = re.findall(row, table, re.MULTILINE)
    assert len(rows) == len(re.findall(r"^\| (?!expression)", table, re.MULTILINE)), "a row begins with its expression"
    return [Alert(expression, int(minutes or 0), meaning.replace("`", "")) for expression, minutes, meaning in rows]


def rules() -> dict[str, Alert]:
    """The rules, by the name of their alert."""
    (group,) = YAML(typ="safe").load(RULES.read_text(encoding="utf-8"))["groups"]
    return {
        rule["alert"]: Alert(rule["expr"], int(rule.get("for", "0m")[:-1]), rule["annotations"]["summary"])
        for rule in group["rules"]
    }


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


def panel_expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def metrics_in(expressions: Iterable[str]) -> set[str]:
    """The metrics that expressions read, without those of other programs."""
    # Neither labels, in braces and behind `by`, nor durations.
    bare = [re.sub(r"\{[^}]*\}|\bby \([^)]*\)|\[\w+\]", "", expression) for expression in expressions]
    words = {word for text in bare for word in re.findall(r"[a-z_]{2,}", text)}
    return words - _FUNCTIONS - NOT_OURS
