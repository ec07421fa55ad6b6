"""The HTML that notebooks show for documents: a recommendation, a network, the matrix of distances.

Every value of a document is escaped: users choose the names of tasks.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from service.client.display.answer import facts, interval_text, percent_text, scale_marks, verdict_sentence
from service.client.display.formats import image_size_of, network_in_short, spread
from service.client.display.progress import progress_message
from service.client.display.race import COLUMNS, race_rows, race_sentences
from service.figures.cell_drawing import cell_drawing

_BAR_PIXELS = 120
_CELL_STYLE = "text-align:left;white-space:pre-line;vertical-align:top"


def answer_html(answer: Mapping[str, Any]) -> str:
    """A recommendation: its verdict, distances, race, cell and scores; or its progress."""
    parts = [f"<p><b>{escape(_title(answer))}</b></p>"]
    if answer.get("state") == "succeeded":
        parts.append(f"<p>{escape(verdict_sentence(answer))}</p>")
    parts += _distances(answer)
    parts += _race(answer)
    parts += drawing_html((answer.get("architecture") or {}).get("genotype"))
    # The drawing shows the cell.
    parts.append(_table((), [row for row in facts(answer) if row[0] != "Chosen cell"]))
    parts += [f"<p>⚠ {escape(str(warning))}</p>" for warning in answer.get("warnings") or []]
    return f"<div>{''.join(parts)}</div>"


def architecture_html(architecture: Mapping[str, Any]) -> str:
    """A network: its cell or its name, its classes, its scores."""
    test, size = architecture.get("test") or {}, image_size_of(architecture)
    rows = [
        ("id", architecture.get("id")),
        ("network", None if architecture.get("genotype") else network_in_short(architecture)),
        ("classes", ", ".join(map(str, architecture.get("class_names") or ()))),
        ("image size", f"{size} pixels" if size else None),
        ("parameters", _count(architecture.get("parameters"))),
        ("multiply-adds per image", _count(architecture.get("macs"))),
        ("test accuracy", None if test.get("accuracy") is None else f"{test['accuracy']:.4f}"),
    ]
    known = [(label, str(value)) for label, value in rows if value]
    title = f"<p><b>{escape(str(architecture.get('name') or ''))}</b></p>"
    return f"<div>{title}{''.join(drawing_html(architecture.get('genotype')))}{_table((), known)}</div>"


def matrix_html(matrix: Mapping[str, Any]) -> str:
    """The matrix of distances: rows are sources, columns are targets, `·` where not measured."""
    names = {task["id"]: task["name"] for task in matrix["tasks"]}
    header = ["from \\ to", *(names[target] for target in matrix["targets"])]
    rows = [
        [names[source], *("·" if mean is None else spread(mean, std) for mean, std in zip(means, stds, strict=True))]
        for source, means, stds in zip(matrix["sources"], matrix["mean"], matrix["std"], strict=True)
    ]
    return f"<div><p>{escape(str(matrix['measure']))}</p>{_table(header, rows)}</div>"


def drawing_html(genotype: Mapping[str, Any] | None) -> list[str]:
    """The cell as a drawing on white, which is visible on dark pages too; empty without a cell."""
    if not genotype:
        return []
    try:
        return [f'<div style="background:white;color:black;display:inline-block">{cell_drawing(genotype)}</div>']
    except (TypeError, ValueError, LookupError):
        return []  # a cell of a newer service


def _title(answer: Mapping[str, Any]) -> str:
    name, state = str(answer.get("name") or answer.get("id") or "recommendation"), answer.get("state")
    if state == "succeeded":
        return name
    error = (answer.get("error") or {}).get("detail") or ""
    stage = str(answer.get("stage") or "") if state == "running" else ""
    return ": ".join(part for part in (name, str(state), stage, progress_message(answer), str(error)) if part)


def _distances(answer: Mapping[str, Any]) -> list[str]:
    entries = answer.get("distances") or []
    known = sorted((entry for entry in entries if entry.get("mean") is not None), key=lambda entry: entry["mean"])
    if not entries:
        return []
    largest = max((entry["mean"] for entry in known), default=0.0)
    rows = [
        [
            escape(str(entry["name"])),
            escape(spread(entry["mean"], entry.get("std"))),
            escape(interval_text(entry.get("interval"))),
            escape(percent_text(entry.get("probability_closest"))),
            _bar(entry["mean"] / largest if largest > 0 else 0.0),
        ]
        for entry in known
    ]
    rows += [[escape(str(entry["name"])), "not comparable", "", "", ""] for entry in entries if entry not in known]
    marks = scale_marks(answer)
    scale = [f"<p>for scale: {escape(', '.join(marks))}</p>"] if marks else []
    return [_raw_table(("known task", "distance", "90 % interval", "closest", ""), rows), *scale]


def _race(answer: Mapping[str, Any]) -> list[str]:
    rows = race_rows(answer)
    if not rows:
        return []
    return [_table(COLUMNS, rows), *(f"<p>{escape(sentence)}</p>" for sentence in race_sentences(answer))]


def _bar(share: float) -> str:
    width = max(2, round(_BAR_PIXELS * min(max(share, 0.0), 1.0)))
    return f'<div style="background:#3b7ea1;height:0.6em;width:{width}px"></div>'


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return _raw_table(header, [[escape(text) for text in row] for row in rows])


def _raw_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    body = "".join("<tr>" + "".join(f'<td style="{_CELL_STYLE}">{cell}</td>' for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"


def _count(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"
