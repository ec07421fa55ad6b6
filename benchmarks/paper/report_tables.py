"""The report's part on Tables 1 and 2: the rows, their searches and the anytime curves."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.paper.drawing_anytime import STYLES, anytime
from benchmarks.paper.plain import PLAIN
from benchmarks.paper.report_page import Drawing, Section, Table
from benchmarks.paper.searching import KNOWN_CELL, METHODS
from ldnas.space.space import FULL_SPACE

TITLES = {
    "table_1_mnist_task_3": "Table 1: MNIST, ten digits (Task 3)",
    "table_2_cifar10_task_6": "Table 2: CIFAR-10, bird, frog, horse or anything else (Task 6)",
    "table_2_cifar10_task_6_unbalanced": 'Table 2 with all of "anything else", 70 % of the images (Task 6)',
}
_OVERRUN = 0.1
_STYLE_OF = dict(zip(sorted(METHODS, key=lambda name: name in (*PLAIN, KNOWN_CELL)), STYLES, strict=True))
"""A row looks the same in every drawing, whatever its rank."""


def table_sections(result: Mapping[str, Any]) -> list[Section]:
    """A section for each table of which a row is there."""
    return [_section(name, title, result[name]) for name, title in TITLES.items() if name in result]


def _section(name: str, title: str, table: Mapping[str, Any]) -> Section:
    text = [
        "Means over seeds, ± the standard deviation over seeds; 90 % intervals of the mean and of the rank, over seeds "
        "alone. The published figures are of other budgets and sizes."
    ]
    if "task_6" in name:
        text.append(
            'The published 90.87 % cannot be compared before it is known whether "anything else" was cut to the size '
            "of the other classes or not."
        )
    text += _overruns(table)
    details = dict(sorted(table["details"].items(), key=lambda item: item[1]["rank"]))
    tables = [_rows(table, details)]
    searched = {method: one for method, one in details.items() if any(one["iterations"])}
    if searched:
        tables.append(_searches(searched))
    return Section(title, text, (), tables, (_drawing(name, title, details),))


def _overruns(table: Mapping[str, Any]) -> list[str]:
    """Which searches took much more than allowed, as a schedule does by the trial that fits it to the seconds."""
    allowed = table["search_seconds_allowed"]
    if allowed is None:
        return []
    seconds = {method: table[method][2] for method in table["details"]}
    over = [f"{method} ({one:.0f} s)" for method, one in seconds.items() if one > (1 + _OVERRUN) * allowed]
    overruns = f"more than a tenth above it took {', '.join(over)}" if over else "none took more than a tenth above it"
    return [f"A search was allowed {allowed:g} device seconds; {overruns}."]


def _rows(table: Mapping[str, Any], details: Mapping[str, Mapping[str, Any]]) -> Table:
    head = ["row", "seeds", "test accuracy %", "90 % interval", "balanced %", "parameters, M", "search s", "training s"]
    head += ["rank", "90 % of ranks", "published %", "published M"]
    # A single seed cannot be drawn otherwise: the range of its rank, and of the ranks next to it, would look certain.
    drawn = all(len(one["seeds"]) > 1 for one in details.values())
    rows = [_row(table, method, one, drawn=drawn) for method, one in details.items()]
    return Table("All rows, the best mean first", head, rows)


def _row(table: Mapping[str, Any], method: str, details: Mapping[str, Any], *, drawn: bool) -> list[str]:
    _, millions, search, training = table[method]
    between, theirs = details["test_accuracy_interval"], table["published"].get(method)
    low, high = details["rank_interval"]
    return [
        method,
        str(len(details["seeds"])),
        percent(details["test_accuracy"]),
        "–" if between is None else f"{100 * between[0]:.2f} to {min(100 * between[1], 100):.2f}",
        percent(details["test_balanced_accuracy"]),
        f"{millions:.3f}",
        f"{search:.0f}",
        f"{training:.0f}",
        f"{details['rank']:g}",
        f"{low:g} to {high:g}" if drawn else "–",
        "–" if theirs is None else f"{theirs[0]:.2f}",
        "–" if theirs is None else f"{theirs[1]:.2f}",
    ]


def _searches(details: Mapping[str, Mapping[str, Any]]) -> Table:
    head = ["row", "iterations", "iteration of the last new incumbent", "source task", "cells in its space"]
    head += ["validation accuracy % of the trained network"]
    rows = [
        [
            method,
            listed(one["iterations"]),
            listed(one["iterations_to_the_last_incumbent"]),
            listed(one["sources"]),
            listed(one["space_sizes"] or [FULL_SPACE.size]),
            percent(one["validation_accuracy"]),
        ]
        for method, one in details.items()
    ]
    caption = (
        "The searches, seed by seed: what an iteration is differs between rows; where the last one has a new "
        "incumbent, the search had not settled"
    )
    return Table(caption, head, rows)


def _drawing(name: str, title: str, details: Mapping[str, Mapping[str, Any]]) -> Drawing:
    caption = (
        f"{title}, against the seconds. Left: the best validation score so far of each search, its mean over seeds "
        "from where every seed has one, in a band from the least to the greatest. A search scores networks of few "
        "epochs or paths through shared weights, so that its line can be compared neither with another row's nor with "
        "a trained network. Right: the validation accuracy of the trained networks, which one recipe made, with the "
        "least and the greatest, and the seconds of search and training after which they were ready."
    )
    curves = {method: details[method]["curves"] for method in METHODS if method in details}
    return Drawing(f"{name}_anytime.svg", caption, anytime(curves, _STYLE_OF))


def percent(fractions: Sequence[float]) -> str:
    """The mean ± the standard deviation, in per cent; a single one alone."""
    mean = f"{100 * statistics.fmean(fractions):.2f}"
    return mean if len(fractions) < 2 else f"{mean} ± {100 * statistics.stdev(fractions):.2f}"


def listed(values: Sequence[float | None]) -> str:
    """One for each seed, or one for all where they are equal; a dash for none."""
    texts = ["–" if value is None else f"{value:,}" for value in values]
    return "–" if not texts else texts[0] if len(set(texts)) == 1 else ", ".join(texts)
