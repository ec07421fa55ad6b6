"""The report's part on Figure 1: each mode next to the published matrix."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.paper.drawing import heat_map
from benchmarks.paper.figure_1 import FIGURES
from benchmarks.paper.report_page import Drawing, Section, Table
from benchmarks.paper.tasks import DATASETS, TASKS

_SET_NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10"}
_BLOCKS = ("mnist_to_mnist", "cifar10_to_cifar10", "mnist_to_cifar10", "cifar10_to_mnist")


def figure_sections(result: Mapping[str, Any], published: Mapping[str, Any]) -> list[Section]:
    """An overview of all modes, then each mode; nothing before a mode has a whole repetition."""
    figures = {mode: result[f"figure_1_{mode}"] for mode in FIGURES if f"figure_1_{mode}" in result}
    theirs = published["figure_1"]
    if not figures:
        return []
    return [_overview(figures, theirs), *(_of_mode(mode, figure, theirs) for mode, figure in figures.items())]


def _overview(figures: Mapping[str, Mapping[str, Any]], published: Mapping[str, Any]) -> Section:
    text = (
        "Agreement with the published closest sources says nothing of how useful a distance is. If every source were "
        "as likely as any other, 8/7 = 1.1 of 8 targets would agree.",
        "A source is within the spread of the closest one where it is at most √(s² + s'²) farther away, the standard "
        "deviation of the difference of two single repetitions. ρ is Spearman's, with the published distances.",
    )
    tables = (_tasks(), _agreement(figures), _block_table(figures))
    drawing = _matrix("figure_1_published.svg", "Figure 1 as published", published, published)
    return Section("Figure 1: distances between eight tasks", text, (), tables, (drawing,))


def _tasks() -> Table:
    rows = [
        [str(number), _SET_NAMES[DATASETS[number]], TASKS["paper"][number].name, TASKS["released_code"][number].name]
        for number in range(len(DATASETS))
    ]
    return Table("The tasks", ["task", "data set", "in `default` and `paper`", "in `released_code`"], rows)


def _agreement(figures: Mapping[str, Mapping[str, Any]]) -> Table:
    head = ["mode", "repetitions", "closest as published", "within the spread", "ρ over all 56 pairs"]
    head += ["closest in the target's data set (published)", "networks that miss ε"]
    rows = [
        [
            f"`{mode}`",
            str(one["repetitions"]),
            f"{one['agreements']} of 8",
            f"{one['agreements_within_spread']} of 8" if _has_spread(one) else "–",
            number(one["spearman_of_all_pairs"]),
            f"{one['closest_in_own_data_set']} of 8 ({one['published']['closest_in_own_data_set']})",
            f"{one['networks_that_miss_epsilon']} of {one['networks']}",
        ]
        for mode, one in figures.items()
    ]
    return Table("Agreement with the published figure", head, rows)


def _block_table(figures: Mapping[str, Mapping[str, Any]]) -> Table:
    head = ["mode", "MNIST to MNIST", "CIFAR-10 to CIFAR-10", "MNIST to CIFAR-10", "CIFAR-10 to MNIST"]
    blocks = {f"`{mode}`": one["blocks"] for mode, one in figures.items()}
    blocks["published"] = next(iter(figures.values()))["published"]["blocks"]
    rows = [
        [name, *(number(one[block]) for block in _BLOCKS), number(one["within_over_between"])]
        for name, one in blocks.items()
    ]
    return Table("Mean distance from one data set to another, the diagonal left out", [*head, "within / between"], rows)


def _of_mode(mode: str, figure: Mapping[str, Any], published: Mapping[str, Any]) -> Section:
    recipe = ", ".join(f"{name} {value}" for name, value in figure["recipe"].items())
    text = [f"`{figure['measure']}`; {figure['repetitions']} repetitions; ε = {figure['epsilon']}. Recipe: {recipe}."]
    if figure["recipe"]["split"] == "test":
        text.append("These networks looked at test images (`test_seen`), as the released program does.")
    names = [task.name for task in TASKS["released_code" if mode.startswith("released_code") else "paper"]]
    tables = [_targets(figure, published, names)]
    if figure["differences"]:
        tables.append(_difference_table(figure, names))
    drawing = _matrix(f"figure_1_{mode}.svg", f"Figure 1 in the mode `{mode}`", figure, published)
    return Section(f"Figure 1, `{mode}`", text, (), tables, (drawing,))


def _targets(figure: Mapping[str, Any], published: Mapping[str, Any], names: Sequence[str]) -> Table:
    rows = [
        [
            f"{target}: {names[target]}",
            str(source),
            str(published["closest_source_of_each_target"][target]),
            "yes" if figure["agrees"][target] else "no",
            ("yes" if figure["agrees_within_spread"][target] else "no") if _has_spread(figure) else "–",
            number(figure["spearman_of_each_target"][target]),
        ]
        for target, source in enumerate(figure["closest_source_of_each_target"])
    ]
    head = ["target", "closest", "published", "agrees", "within the spread", "ρ of the column"]
    return Table("The closest source of each target", head, rows)


def _difference_table(figure: Mapping[str, Any], names: Sequence[str]) -> Table:
    """The gap is that between the two sources; the published one of the same two is positive as well."""
    head = ["target", "our closest", "its distance", "published closest", "its distance here", "its rank of 7"]
    head += ["gap / spread", "gap / spread as published", "sources of one data set"]
    rows = [
        [
            f"{one['target']}: {names[one['target']]}",
            str(one["source"]),
            _distance(one["distance"], one["std"], figure),
            str(one["published_source"]),
            _distance(one["distance_of_the_published_source"], one["std_of_the_published_source"], figure),
            str(one["rank_of_the_published_source"]),
            number(one["gap_in_spreads"]),
            number(one["published_gap_in_spreads"]),
            "yes" if one["sources_share_a_data_set"] else "no",
        ]
        for one in figure["differences"]
    ]
    return Table("Where the closest source is another than the published one", head, rows)


def _matrix(file: str, title: str, figure: Mapping[str, Any], published: Mapping[str, Any]) -> Drawing:
    nearest, theirs = (one["closest_source_of_each_target"] for one in (figure, published))
    caption = (
        f"{title}. Mean over repetitions ± standard deviation; the source by row, the target by column; "
        "a frame around the closest source of each target"
    )
    caption += "." if nearest == theirs else ", a dotted one around the published closest where it is another."
    names = [_SET_NAMES[dataset] for dataset in DATASETS]
    std = figure["std"] if _has_spread(figure) else None
    drawn = heat_map(figure["mean"], std, names=names, framed=nearest, dotted=theirs)
    return Drawing(file, caption, drawn)


def _distance(mean: float, std: float, figure: Mapping[str, Any]) -> str:
    return f"{mean:.3f} ± {std:.3f}" if _has_spread(figure) else f"{mean:.3f}"


def _has_spread(figure: Mapping[str, Any]) -> bool:
    """Whether there are repetitions to have one; the published figure does not count its own, which are ten."""
    return bool(figure.get("repetitions") != 1)


def number(value: float | None) -> str:
    """Two decimals, or a dash for none."""
    return "–" if value is None else f"{value:.2f}"
