"""The parts of a report, and how they are written as Markdown and as one HTML page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.45 sans-serif;max-width:76em;margin:2em auto;padding:0 1em}"
    "code{overflow-wrap:anywhere}p,ul{max-width:52em}h2{margin-top:2em;border-bottom:1px solid #8886}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "caption{text-align:left;padding:1.4em 0 .5em;font-weight:bold}"
    "th{text-align:left;vertical-align:bottom;border-bottom:2px solid #888a}"
    "td{border-bottom:1px solid #8884;vertical-align:top}td:first-child{white-space:nowrap}"
    "td,th{padding:.25em .8em .25em 0}.number{text-align:right;white-space:nowrap}th.number{white-space:normal}"
    "figure{margin:1em 0;max-width:60em}figcaption{margin-bottom:.5em}svg{max-width:100%;height:auto}"
)


@dataclass(frozen=True)
class Table:
    """A table with a heading over each column."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def is_number(self) -> list[bool]:
        """For each column whether every cell of it is a number, or a dash for none."""
        return [
            all(re.match(r"[-+]?\d[\d.,]*(\s|$)|–$", row[column]) for row in self.rows)
            for column in range(len(self.head))
        ]


@dataclass(frozen=True)
class Drawing:
    """An SVG drawing, a file of its own next to the Markdown and a part of the HTML page."""

    file: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, a list, tables and drawings, in this order; `code` stands between backticks."""

    title: str
    text: Sequence[str] = ()
    points: Sequence[str] = ()
    tables: Sequence[Table] = ()
    drawings: Sequence[Drawing] = ()


def markdown(sections: Sequence[Section]) -> str:
    """The first section's title is the report's."""
    return "\n\n".join(part for index, one in enumerate(sections) for part in _markdown_parts(one, index)) + "\n"


def _markdown_parts(section: Section, index: int) -> list[str]:
    parts = [f"{'##' if index else '#'} {section.title}", *section.text]
    if section.points:
        parts.append("\n".join(f"- {point}" for point in section.points))
    for table in section.tables:
        rule = ["---:" if number else "---" for number in table.is_number]
        rows = [f"| {' | '.join(row)} |" for row in [table.head, rule, *table.rows]]
        parts += [f"**{table.caption}**", "\n".join(rows)]
    for drawing in section.drawings:
        parts += [drawing.caption, f"![{_plain(drawing.caption)}]({drawing.file})"]
    return parts


def _plain(caption: str) -> str:
    """The first sentence without marks, for those who do not see the drawing."""
    return re.sub(r"[`\[\]]", "", caption.split(". ")[0]).rstrip(".")


def html(sections: Sequence[Section]) -> str:
    """One page that needs no other file."""
    head = f'<meta charset="utf-8"><title>{escape(sections[0].title)}</title>\n<style>{_STYLE}</style>'
    body = "\n".join(_html_section(one, level="h2" if index else "h1") for index, one in enumerate(sections))
    return f'<!doctype html>\n<html lang="en">{head}\n{body}\n</html>\n'


def _html_section(section: Section, *, level: str) -> str:
    parts = [f"<{level}>{_inline(section.title)}</{level}>", *(f"<p>{_inline(text)}</p>" for text in section.text)]
    if section.points:
        parts.append(f"<ul>{''.join(f'<li>{_inline(point)}</li>' for point in section.points)}</ul>")
    parts += [_html_table(table) for table in section.tables]
    parts += [
        f"<figure><figcaption>{_inline(drawing.caption)}</figcaption>\n{drawing.svg}</figure>"
        for drawing in section.drawings
    ]
    return "\n".join(parts)


def _html_table(table: Table) -> str:
    classes = [' class="number"' if number else "" for number in table.is_number]
    lines = [f"<caption>{_inline(table.caption)}</caption>", _html_row("th", table.head, classes)]
    lines += [_html_row("td", row, classes) for row in table.rows]
    return '<div class="wide"><table>{}\n</table></div>'.format("\n".join(lines))


def _html_row(tag: str, cells: Sequence[str], classes: Sequence[str]) -> str:
    filled = [f"<{tag}{name}>{_inline(cell)}</{tag}>" for cell, name in zip(cells, classes, strict=True)]
    return f"<tr>{''.join(filled)}</tr>"


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
