"""The output for a person: the demo while it runs, and the answer."""

import io
from typing import Any

import pytest
from rich.console import Console
from rich.spinner import Spinner

from service.cli.demo.display import LineDisplay, LiveDisplay, open_display, section
from service.cli.demo.history import JobHistory
from service.client.display.answer import print_answer, verdict_sentence
from service.client.display.formats import genotype_in_short
from service.client.display.progress import progress_shown
from service.client.events import Event
from tests.service.races import ALTERNATIVES, MEMORY, MEMORY_SENTENCE, PLAIN, REASON

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


def genotype(primitive: str) -> dict[str, Any]:
    return {"edges": [[start, end, primitive] for start, end in EDGES]}


CELLS = [genotype("sep_conv_3x3"), genotype("identity"), genotype("dil_conv_5x5")]
SEARCH = {"iteration": 0, "genotypes": CELLS, "validation_accuracies": [0.9, 0.95, 0.8], "incumbent": None}
STORY = [
    ("state", {"state": "running", "attempt": 1}),
    ("stage", {"stage": "fit"}),
    ("network", {"repetition": 0, "repetitions": 3, "balanced_validation_accuracy": 0.975, "approximation": True}),
    ("network", {"repetition": 1, "repetitions": 3, "balanced_validation_accuracy": 0.75, "approximation": False}),
    ("stage", {"stage": "distance"}),
    ("distance", {"task_id": "t1", "name": "odd", "measure": "log_det", "mean": 0.5, "std": 0.0625}),
    ("distance", {"task_id": "t2", "name": "loops", "measure": "log_det", "mean": 0.25, "std": None}),
    ("stage", {"stage": "search"}),
    ("candidates", {**SEARCH, "round": None, "alphas": [1 / 3] * 3, "validation_accuracies": []}),
    ("round", {**SEARCH, "round": 0, "alphas": [0.25, 0.5, 0.25]}),
]
ENDING = [
    ("iteration", {**SEARCH, "round": None, "alphas": [0.25, 0.5, 0.25], "incumbent": CELLS[1]}),
    ("stage", {"stage": "train"}),
    *(("epoch", {"epoch": epoch, "epochs": 20}) for epoch in range(1, 21)),
    ("state", {"state": "succeeded", "attempt": 1}),
]


def lines_of(events: list[tuple[str, dict[str, Any]]], history: JobHistory) -> list[str]:
    """The lines that the events are worth."""
    lines = (history.apply(Event(number, kind, data)) for number, (kind, data) in enumerate(events, start=1))
    return [line for line in lines if line is not None]


def console(*, terminal: bool, width: int = 80) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, height=40, color_system=None)


def output(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def target() -> JobHistory:
    return JobHistory("primes", "is it a prime?", is_target=True)


def test_each_event_becomes_one_line_of_words() -> None:
    assert lines_of(STORY + ENDING, target()) == [
        "running",
        "stage fit",
        "network 1 of 3: balanced validation accuracy 0.975",
        "network 2 of 3: balanced validation accuracy 0.750, below 1-ε",
        "stage distance",
        "distance from odd: 0.5000 ± 0.0625",
        "distance from loops: 0.2500",
        "stage search",
        "search, iteration 1: 3 candidates",
        "search, iteration 1, round 1: weights 0.25 0.50 0.25",
        "search, iteration 1 ends: a new incumbent id id id id id id",
        "stage train",
        "epoch 5 of 20",
        "epoch 10 of 20",
        "epoch 15 of 20",
        "epoch 20 of 20",
        "succeeded",
    ]


def test_random_search_shows_its_scores() -> None:
    event = ("round", {**SEARCH, "round": 1, "alphas": []})
    assert lines_of([event], target()) == ["search, iteration 1, round 2: validation accuracies 0.90 0.95 0.80"]


def cycle(candidate: str, score: float, *, epochs: int = 4, rung: int = 0) -> tuple[str, dict[str, Any]]:
    values = {"candidate": candidate, "candidate_kind": "cell", "rung": rung, "epochs": epochs, "seconds": 2.0}
    return "cycle", {**values, "score": score, "standard_error": 0.0125}


def test_a_race_shows_the_score_of_each_cycle() -> None:
    events = [cycle("EfficientNet-Lite0 at 64 px", 0.75, epochs=0), cycle("cell 1234 at 16 px", 0.875, rung=1)]
    assert lines_of(events, target()) == [
        "race, round 1: EfficientNet-Lite0 at 64 px scores 0.750 ± 0.013 with a fitted head",
        "race, round 2: cell 1234 at 16 px scores 0.875 ± 0.013 after 4 epochs",
    ]


def test_a_running_race_shows_the_last_score_of_each_network_the_best_first() -> None:
    history = target()
    story = [("state", {"state": "running"}), ("stage", {"stage": "search"})]
    lines_of([*story, cycle("plain", 0.5), cycle("cell", 0.75), cycle("plain", 0.875, rung=1)], history)
    screen = console(terminal=True)
    screen.print(section("A new task", (history,), Spinner("dots")))
    rows = [line.split() for line in output(screen).splitlines() if "±" in line]
    assert [(row[0], row[-3], row[-1]) for row in rows] == [("0.875", "plain", "2"), ("0.750", "cell", "1")]


def test_events_of_a_later_version_are_passed_over() -> None:
    assert lines_of([("fireworks", {"colour": "red"})], target()) == []


def test_a_cell_in_short_fits_next_to_its_weight() -> None:
    assert genotype_in_short(genotype("conv_7x1_1x7")) == "7x1 7x1 7x1 7x1 7x1 7x1"


def running_target() -> JobHistory:
    history = target()
    lines_of(STORY, history)
    progress = {"fraction": 0.5, "message": "search iteration 1 of at most 12", "eta_seconds": 21.4}
    history.update({"state": "running", "stage": "search", "progress": progress})
    return history


def test_a_terminal_of_80_columns_shows_stages_time_left_distances_and_weights() -> None:
    screen = console(terminal=True)
    screen.print(section("A new task", (running_target(),), Spinner("dots")))
    lines = output(screen).splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "✓ distance  ▸ search  · train  · export  about 21 s left" in text
    assert text.index("loops  0.2500") < text.index("odd    0.5000 ± 0.0625"), "the nearest comes first"
    assert "0.50  ━━━━━━  id id id id id id" in text
    assert "weights of the candidates in FUSE" in text


def test_jobs_that_wait_run_fail_and_are_done_look_different() -> None:
    histories = [JobHistory(name, f"about {name}") for name in ("waits", "runs", "fails", "done")]
    histories[1].update(
        {"state": "running", "stage": "fit", "progress": {"fraction": 0.25, "message": "network 1 of 3"}}
    )
    histories[2].update({"state": "failed"})
    lines_of(STORY[:4], histories[3])
    histories[3].update({"state": "succeeded"})
    screen = console(terminal=True)
    screen.print(section("Known", histories, Spinner("dots")))
    rows = [line.split() for line in output(screen).splitlines() if line.strip()]
    assert rows[1] == ["·", "waits", "about", "waits"]
    assert rows[2][1] == "runs"
    assert rows[2][-5:] == ["fit", "network", "1", "of", "3"]
    assert rows[3][0] == "✗"
    assert rows[4][:2] == ["✓", "done"]
    assert rows[4][-2:] == ["0.975", "0.750"]


def test_without_a_terminal_the_demo_writes_plain_lines() -> None:
    page = console(terminal=False)
    history = target()
    with open_display(page) as display:
        assert isinstance(display, LineDisplay)
        display.begin("A new task", (history,))
        for line in lines_of(STORY, history):
            display.report(history, line)
        display.report(history, None)
    lines = output(page).splitlines()
    assert lines[1:3] == ["A new task", "  primes: is it a prime?"]
    assert lines[-1].endswith("s  primes: search, iteration 1, round 1: weights 0.25 0.50 0.25")
    assert "\x1b" not in output(page)


def test_on_a_terminal_a_finished_section_stays_above_the_next() -> None:
    screen = console(terminal=True)
    first, second = JobHistory("first", "1"), JobHistory("second", "2")
    with open_display(screen) as display:
        assert isinstance(display, LiveDisplay)
        display.begin("One", (first,))
        first.update({"state": "succeeded"})
        display.begin("Two", (second,))
        second.update({"state": "failed"})
    text = output(screen)
    assert text.rindex("✓  first") < text.rindex("✗  second")


UNKNOWN: dict[str, Any] = {
    "id": "r1",
    "state": "queued",
    "target": {"task_id": "t9", "test": None},
    "verdict": None,
    "closest": {"task_id": None, "name": None, "distance": None, "probability": None},
    "scale": {"self_distance": None, "untrained_distance": None},
    "distances": None,
    "search_space": {"source_task_ids": None, "primitives": None, "size": None, "fraction_of_full": None},
    "architecture": {"id": None, "genotype": None, "parameters": None, "macs": None},
    "warm_start": {"task_id": None, "name": None, "network": None},
    "validation": {"accuracy": None, "balanced_accuracy": None},
    "test": {"accuracy": None, "interval": None, "balanced_accuracy": None},
    "cost": {"stage_seconds": None, "device": None},
}


def entry(task_id: str, name: str, mean: float | None, **more: Any) -> dict[str, Any]:
    return {"task_id": task_id, "name": name, "measure": "log_det_layerwise", "mean": mean, "std": None, **more}


KNOWN = UNKNOWN | {
    "state": "succeeded",
    "target": {"task_id": "t9", "test": 270},
    "verdict": "closest",
    "closest": {"task_id": "t1", "name": "odd", "distance": 0.25, "probability": 0.97},
    "scale": {"self_distance": 0.125, "untrained_distance": 2.0},
    "distances": [
        entry("t2", "[loops]", 0.5, std=0.0625),
        entry("t1", "odd", 0.25, std=0.03125, interval=[0.2, 0.3], probability_closest=0.97),
        entry("t3", "a_vgg_task", None),
    ],
    "search_space": {
        "source_task_ids": ["t1"],
        "primitives": ["identity", "sep_conv_3x3", "max_pool_3x3"],
        "size": 729,
        "fraction_of_full": 729 / 8**6,
    },
    "architecture": {"id": "a1", "genotype": CELLS[0], "parameters": 102345, "macs": 1234567},
    "warm_start": {"task_id": "t1", "name": "odd", "network": "n" * 64},
    "validation": {"accuracy": 0.983, "balanced_accuracy": 0.981},
    "test": {"accuracy": 0.978, "interval": [0.952, 0.99], "balanced_accuracy": 0.977},
    "cost": {"stage_seconds": {"fit": 12.0, "search": 20.5}, "device": "cpu"},
}


def answer_of(document: dict[str, Any]) -> list[str]:
    page = console(terminal=False)
    print_answer(document, page)
    return [line.rstrip() for line in output(page).splitlines()]


def test_the_answer_names_the_network_and_the_reasons() -> None:
    lines = answer_of(KNOWN)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for part in (
        "The closest known task is odd, with probability 0.97.",
        "odd         0.2500 ± 0.0312  0.2000 to 0.3000     97 %  ━━━━━━",
        "a_vgg_task   not comparable",
        "untrained networks 2.0000",
        "the space of odd: 729 cells of 262,144 (0.28 %)",
        "0 → 1  sep_conv_3x3    0 → 2  sep_conv_3x3",
        "102,345 parameters, 1,234,567 multiply-adds per image",
        "started from weights trained on odd",
        "accuracy 0.9830, balanced 0.9810",
        "accuracy 0.9780, 95 % interval 0.952 to 0.990, balanced 0.9770",
        "on 270 images not used for training or search",
    ):
        assert part in text
    assert text.index("odd  ") < text.index("[loops]"), "the nearest comes first, and a name is not markup"


def test_a_race_is_shown_with_its_reason_and_every_network() -> None:
    passed_over = [
        {"name": "a slow one", "kind": "plain", "outclassed": False},
        {"name": "a cell", "kind": "cell", "outclassed": True},
    ]
    search = {"reason": REASON, "memory": MEMORY, "passed_over": passed_over}
    network = {"id": "a1", "kind": "plain", "design": PLAIN, "parameters": 102345}
    lines = answer_of(KNOWN | {"search": search, "alternatives": ALTERNATIVES, "architecture": network})
    assert max(map(len, lines)) <= 80
    rows = [" ".join(line.split()) for line in lines]
    for at, row in (
        ("pretrained, ImageNet", "★ tf_efficientnet_lite0 at 64 px 95.3 ± 1.2 3,374,570 12.5 101.5 yes"),
        ("plain, fresh weights", "resnet18 width 16 at 16 px 90.0 ± 1.5 702,626 4 21.2 no"),
        ("cell, fresh weights", "cell 0a1b2c3d at 32 px 91.0 ± 1.4 52,100 2.5 11.0 yes"),
    ):
        assert rows[rows.index(row) + 1] == at
    text = " ".join(rows)
    assert f"Why: {REASON}." in text
    assert "The seconds did not suffice for a slow one." in text
    assert "Not tried, since the pretrained network was too far ahead: a cell." in text
    assert MEMORY_SENTENCE in text
    drawn = {"search": search | {"memory": MEMORY | {"cells": 0, "tasks": 0}}, "alternatives": ALTERNATIVES}
    without = " ".join(" ".join(answer_of(KNOWN | drawn)).split())
    assert "No known task has scored a cell, so the cell of the race was drawn at random." in without
    assert "Network resnet18, width 16 102,345 parameters" in text
    assert "729 cells" not in text, "no space was searched"


def test_a_control_is_shown_with_its_verdict_and_every_difference() -> None:
    arm = {"difference": 0.0123, "interval": [-0.01, 0.0346], "reason": None}
    control = {
        "verdict": "undecided",
        "objective": "accuracy",
        "full_space": arm,
        "random": arm | {"difference": -0.002},
        "resnet18": {"difference": None, "interval": None, "reason": "max_macs is 10, and the narrowest has 20"},
    }
    text = "\n".join(answer_of(KNOWN | {"control": control}))
    for part in (
        "undecided; accuracy against equal seconds without the known tasks:\n",
        "full space: +0.0123 (-0.0100 to +0.0346)",
        "random cells: -0.0020 (-0.0100 to +0.0346)",
        "ResNet-18: max_macs is 10, and the narrowest has 20",
    ):
        assert part in text
    assert "Control" not in "\n".join(answer_of(KNOWN | {"control": control | {"verdict": None}}))


def test_warnings_end_the_answer_a_line_each() -> None:
    lines = answer_of(KNOWN | {"warnings": ["little data: 40 images", "[bold]imbalanced data"]})
    assert lines[-2:] == ["! little data: 40 images", "! [bold]imbalanced data"]
    assert not any(line.startswith("!") for line in answer_of(KNOWN | {"warnings": None}))


def test_an_answer_of_which_nothing_is_known_can_be_printed() -> None:
    assert "The known tasks have not been compared yet." in answer_of(UNKNOWN)


TIE = KNOWN | {
    "verdict": "tie",
    "closest": {"task_id": "t2", "name": "[loops]", "distance": 0.5, "probability": 0.55},
    "distances": [
        entry("t1", "odd", 0.25, interval=[0.2, 0.6], probability_closest=0.38),
        entry("t2", "[loops]", 0.5, interval=[0.1, 0.7], probability_closest=0.55),
        entry("t4", "far", 0.75, interval=[0.7, 0.9], probability_closest=0.07),
    ],
    "tied": ["t2", "t1"],
    "search_space": KNOWN["search_space"] | {"source_task_ids": ["t2", "t1"]},
}


def test_a_tie_names_the_tied_with_their_probabilities_and_their_spaces() -> None:
    text = "\n".join(answer_of(TIE))
    assert "A tie between [loops] (55 %) and odd (38 %): too close to choose one." in text
    assert "the spaces of [loops] and odd: 729 cells" in text
    assert "0.1000 to 0.7000     55 %" in text


def test_the_sentence_of_a_tie_needs_only_its_part_of_the_document() -> None:
    column = {key: TIE[key] for key in ("verdict", "closest", "tied", "distances")}
    assert verdict_sentence(column) == verdict_sentence(TIE)
    left_behind = [found | {"probability_closest": None} for found in TIE["distances"]]
    tied = verdict_sentence(column | {"distances": left_behind, "tied": ["t1", "t2", "t4"]})
    assert tied == "A tie between odd, [loops] and far: too close to choose one."
    older = verdict_sentence(column | {"tied": None})
    assert older.startswith("A tie: [loops] leads, with probability 0.55")


def test_the_demo_shows_intervals_and_probabilities_once_they_are_known() -> None:
    history = running_target()
    running = {"state": "running", "stage": "search"}
    assert history.update(running | UNKNOWN | running) is None
    line = history.update(TIE | running)
    assert line == verdict_sentence(TIE)
    assert history.update(TIE | running) is None
    screen = console(terminal=True)
    screen.print(section("A new task", (history,), Spinner("dots")))
    lines = output(screen).splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "A tie between [loops] (55 %) and odd (38 %)" in text
    assert "0.1000 to 0.7000" in text
    assert "odd    0.5000 ± 0.0625" not in text, "the distance of the event is replaced"


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        ("tie", "A tie: odd leads, with probability 0.97, which is too low to choose it."),
        ("no_close_task", "No known task is close: none is reliably nearer than untrained networks."),
        ("no_baseline", "The service had no known task to compare with."),
    ],
)
def test_every_verdict_has_its_sentence(verdict: str, sentence: str) -> None:
    assert verdict_sentence(KNOWN | {"verdict": verdict}) == sentence


def test_the_full_space_is_called_so() -> None:
    space = {"source_task_ids": [], "primitives": ["identity"], "size": 262144, "fraction_of_full": 1.0}
    assert "Searched     the full space: 262,144 cells" in answer_of(KNOWN | {"search_space": space})


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_long_message_is_cut_and_names_marks_and_bars_stay_whole(width: int) -> None:
    """Each job has one line, whatever it has to say and however narrow the terminal is."""
    finished, working, waiting = (JobHistory(name, "about " * 30) for name in ("ten_digits", "odd_or_even", "loops"))
    finished.state, finished.seconds, finished.accuracies = "succeeded", 12.3, [0.98] * 20
    working.state, working.stage, working.fraction, working.message = "running", "fit", 0.4, "network 2 of 3 " * 20
    screen = console(terminal=False, width=width)
    screen.print(section("Four known tasks", [finished, working, waiting], Spinner("dots")))
    _, title, *rows = output(screen).splitlines()
    assert title == "Four known tasks"
    assert len(rows) == 3
    first, second, third = rows
    assert first.startswith(" ✓  ten_digits   12.3 s")
    assert "  odd_or_even  ━" in second
    assert "fit  network 2 of 3" in second
    assert third.startswith(" ·  loops        ")
    assert all(row.rstrip().endswith("…") and len(row) <= width for row in rows)


def test_the_bar_of_a_job_keeps_its_name_on_a_narrow_terminal() -> None:
    screen = console(terminal=True)
    with progress_shown("primes", screen) as show:
        show({"state": "running", "stage": "search", "progress": {"fraction": 0.4, "message": "round 1 " * 40}})
    last = [line for line in output(screen).replace("\r", "\n").splitlines() if "search" in line][-1]
    assert "primes: search ━" in last
    assert "40%" in last
    assert "round 1 round 1" in last
    assert "…" in last
