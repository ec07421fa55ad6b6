"""The report: what was measured beside what was published, as Markdown and as one HTML page."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.paper.drawing import curves, heat_map
from ldnas.recipe import MODES

Table = list[list[str]]


def write_reports(folder: Path, result: Mapping[str, Any], published: Mapping[str, Any]) -> None:
    """Writes `report.md`, `report.html` and the drawings (`*.svg`) that both show."""
    sections = [*_opening(result), *_figure_sections(result, published), *_table_sections(result)]
    drawings = {name: svg for section in sections for name, svg in section.get("drawings", {}).items()}
    for name, svg in drawings.items():
        (folder / name).write_text(svg, encoding="utf-8")
    (folder / "report.md").write_text("\n\n".join(_markdown(one) for one in sections) + "\n", encoding="utf-8")
    body = "\n".join(_html(one) for one in sections)
    page = f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(sections[0]["title"])}</title>'
    style = "<style>body{font:16px sans-serif;max-width:70em;margin:2em auto}td,th{padding:.2em .6em}</style>"
    (folder / "report.html").write_text(f"{page}\n{style}\n{body}\n</html>\n", encoding="utf-8")


def _opening(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    commits = sorted({one["commit"] for one in result["environments"]})
    devices = sorted({one["device"] for one in result["environments"]})
    text = [
        f"Scale `{result['scale']}`: {result['finished']} of {result['units']} units are finished, in "
        f"{result['seconds'] / 60:.0f} minutes of units.",
        f"Commit {', '.join(commits) or 'none'}; on {', '.join(devices) or 'nothing yet'}.",
        f"Data: {'; '.join(f'{name} {digest}' for one in result['data'] for name, digest in one.items()) or 'none'}.",
        result["note"],
    ]
    return [{"title": "The paper's experiments, measured anew", "text": text, "list": result["cuts"]}]


def _figure_sections(result: Mapping[str, Any], published: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = [(mode, result[f"figure_1_{mode}"]) for mode in MODES if f"figure_1_{mode}" in result]
    if not found:
        return []
    theirs = published["figure_1"]
    agreement = [
        ["mode", "closest as published", "within the spread", "within / between data sets", "networks that miss ε"]
    ]
    for mode, figure in found:
        agreement.append(
            [
                mode,
                f"{figure['agreements']} of 8",
                f"{figure['agreements_within_spread']} of 8",
                f"{figure['blocks']['within_over_between']:.2f}",
                f"{figure['networks_that_miss_epsilon']} of {figure['networks']}",
            ]
        )
    text = [
        "Agreement with the published closest sources says nothing of how useful a distance is; all modes are as they "
        "were fixed before looking."
    ]
    overview = {"title": "Figure 1", "text": text, "table": agreement}
    published_matrix = {
        "title": "Figure 1 as published",
        "drawings": {"figure_1_published.svg": heat_map(theirs["mean"], theirs["std"])},
    }
    return [overview, published_matrix, *(_figure_section(mode, figure, theirs) for mode, figure in found)]


def _figure_section(mode: str, figure: Mapping[str, Any], published: Mapping[str, Any]) -> dict[str, Any]:
    rows = [["target", "closest", "published", "agrees", "within the spread", "Spearman's ρ"]]
    for target, source in enumerate(figure["closest_source_of_each_target"]):
        rho = figure["spearman_of_each_target"][target]
        rows.append(
            [
                str(target),
                str(source),
                str(published["closest_source_of_each_target"][target]),
                "yes" if figure["agrees"][target] else "no",
                "yes" if figure["agrees_within_spread"][target] else "no",
                "–" if rho is None else f"{rho:.2f}",
            ]
        )
    recipe = ", ".join(f"{name} {value}" for name, value in figure["recipe"].items())
    text = [f"{figure['measure']}; {figure['repetitions']} repetitions; ε = {figure['epsilon']}. Recipe: {recipe}."]
    if figure["recipe"]["split"] == "test":
        text.append("These networks looked at test images (`test_seen`), as the released program does.")
    drawings = {f"figure_1_{mode}.svg": heat_map(figure["mean"], figure["std"])}
    return {"title": f"Figure 1, `{mode}`", "text": text, "table": rows, "drawings": drawings}


def _table_sections(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_table_section(name, table) for name, table in result.items() if name.startswith("table_")]


def _table_section(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        [
            "row",
            "test accuracy % (90 %)",
            "balanced %",
            "parameters, M",
            "search s",
            "training s",
            "rank (90 %)",
            "published %",
        ]
    ]
    ranked = sorted(table["details"].items(), key=lambda item: item[1]["rank"])
    for method, details in ranked:
        accuracy, millions, search, training = table[method]
        between = details["test_accuracy_interval"]
        balanced = details["test_balanced_accuracy"]
        low, high = details["rank_interval"]
        theirs = table["published"].get(method)
        rows.append(
            [
                method,
                f"{accuracy:.2f}" + (f" ({100 * between[0]:.2f} to {100 * between[1]:.2f})" if between else ""),
                f"{100 * sum(balanced) / len(balanced):.2f}",
                f"{millions:.3f}",
                f"{search:.0f}",
                f"{training:.0f}",
                f"{details['rank']:g} ({low:g} to {high:g})",
                "–" if theirs is None else f"{theirs[0]}",
            ]
        )
    text = ["Means over seeds; intervals over seeds alone. The published figures are of other budgets and sizes."]
    if "task_6" in name:
        text.append(
            'The published 90.87 % cannot be compared before it is known whether "anything else" was cut to the size '
            "of the other classes or not."
        )
    lines = {method: details["curves"] for method, details in ranked if any(len(one) > 1 for one in details["curves"])}
    section: dict[str, Any] = {"title": name.replace("_", " "), "text": text, "table": rows}
    return section | ({"drawings": {f"{name}_anytime.svg": curves(lines)}} if lines else {})


def _markdown(section: Mapping[str, Any]) -> str:
    parts = [f"## {section['title']}", *section.get("text", ())]
    if section.get("list"):
        parts.append("Cut at this scale:\n\n" + "\n".join(f"- {line}" for line in section["list"]))
    if section.get("table"):
        head, *rows = section["table"]
        lines = [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
        parts.append("\n".join(lines))
    parts += [f"![{section['title']}]({name})" for name in section.get("drawings", {})]
    return "\n\n".join(parts)


def _html(section: Mapping[str, Any]) -> str:
    parts = [f"<h2>{escape(section['title'])}</h2>", *(f"<p>{escape(text)}</p>" for text in section.get("text", ()))]
    if section.get("list"):
        parts.append(
            f"<p>Cut at this scale:</p><ul>{''.join(f'<li>{escape(one)}</li>' for one in section['list'])}</ul>"
        )
    if section.get("table"):
        head, *rows = section["table"]
        body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
        parts.append(f"<table><tr>{_cells('th', head)}</tr>{body}</table>")
    return "\n".join([*parts, *section.get("drawings", {}).values()])


def _cells(tag: str, texts: Sequence[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)
