"""The report: measured and published figures side by side, as Markdown and as one HTML page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.paper.report_figures import figure_sections
from benchmarks.paper.report_page import Section, html, markdown
from benchmarks.paper.report_tables import table_sections


def write_reports(folder: Path, result: Mapping[str, Any], published: Mapping[str, Any]) -> None:
    """Writes `report.md`, `report.html` and the drawings (`*.svg`) that both show."""
    sections = [_opening(result), *figure_sections(result, published), *table_sections(result)]
    for drawing in (drawing for section in sections for drawing in section.drawings):
        (folder / drawing.file).write_text(drawing.svg, encoding="utf-8")
    (folder / "report.md").write_text(markdown(sections), encoding="utf-8")
    (folder / "report.html").write_text(html(sections), encoding="utf-8")


def _opening(result: Mapping[str, Any]) -> Section:
    commits = sorted({one["commit"] for one in result["environments"]})
    devices = sorted({one["device"] for one in result["environments"]})
    digests = sorted({f"{name} `{digest}`" for one in result["data"] for name, digest in one.items()})
    text = (
        f"Scale `{result['scale']}`: {result['finished']} of {result['units']} units are finished, in "
        f"{result['seconds'] / 60:.0f} minutes of units.",
        f"Commit {', '.join(f'`{commit}`' for commit in commits) or 'none'}; on {', '.join(devices) or 'nothing yet'}.",
        result["note"],
        f"Digests of the data: {', '.join(digests) or 'none'}.",
        "Cut at this scale:",
    )
    return Section("The paper's experiments, measured again", text, result["cuts"])
