"""The `ldnas` command: it makes a request of its arguments, and prints the answer of the API."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from service.cli import command as cli
from service.cli.commands import options
from service.cli.supervision.errors import HomeInUseError
from service.client import Client, submission
from service.client.errors import UnknownTaskError

Run = Callable[..., Result]


TIED_COLUMN = {
    "verdict": "tie",
    "closest": {"task_id": "t8", "name": "even", "distance": 0.5, "probability": 0.6},
    "tied": ["t8", "t9"],
    "distances": [
        {
            "task_id": "t8",
            "name": "even",
            "mean": 0.5,
            "std": 0.25,
            "interval": [0.25, 1.0],
            "probability_closest": 0.6,
        },
        {"task_id": "t9", "name": "loops", "mean": 0.75, "std": None, "interval": None, "probability_closest": 0.4},
    ],
}
EMPTY_COLUMN = {"verdict": "no_baseline", "closest": None, "tied": [], "distances": []}


class FakeService:
    """Answers as the service would and remembers what it was asked; every job has succeeded at once."""

    def __init__(self) -> None:
        self.posted: dict[str, Any] = {}
        self.deleted: list[str] = []
        self.task = {
            "id": "t1",
            "job_id": "j1",
            "name": "odd",
            "role": "baseline",
            "state": "succeeded",
            "dataset": {"uri": "builtin://digits"},
            "labels": {"groups": [[1, 3], ["five"]], "rest": True, "balance": False},
            "cells": [
                {
                    "genotype": {"edges": [[0, 1, "sep_conv_3x3"], [0, 2, "identity"]]},
                    "skeleton": {"stages": []},
                    "epochs": 15,
                    "seed": 0,
                    "validation_accuracy": 0.875,
                    "validation_loss": 0.5,
                    "standard_error": 0.0625,
                    "seconds": 1.5,
                    "weights": True,
                }
            ],
        }
        self.matrix = {
            "measure": "log_det",
            "recipe": {},
            "tasks": [{"id": "t1", "name": "odd"}, {"id": "t2", "name": "primes"}],
            "sources": ["t1", "t2"],
            "targets": ["t1", "t2"],
            "mean": [[0.0, 0.25], [None, 0.0]],
            "std": [[0.0, 0.125], [None, None]],
            "repetitions": [[3, 3], [None, 1]],
        }
        self.pair = {
            "source": {"id": "t1", "name": "odd"},
            "target": {"id": "t2", "name": "two primes"},
            "measure": "log_det",
            "mean": 0.25,
            "std": 0.125,
            "standard_error": 0.0625,
            "repetitions": [
                {"repetition": 0, "value": 0.25, "signed": -0.25, "standard_error": 0.0625},
                {"repetition": 1, "value": 0.5, "signed": 0.5, "standard_error": None},
            ],
            "contributions": [{"layer": f"layer{n}", "value": 0.5 / (n + 1)} for n in range(24)],
        }
        self.distance_jobs = {
            "jobs": [
                {"job_id": f"d{place}", "state": "queued", "target": {"task_id": id, "name": name}}
                for place, (id, name) in enumerate((("t1", "odd"), ("t2", "primes")))
            ]
        }
        self.columns = [
            {
                "id": job["job_id"],
                "state": "succeeded",
                "result": {"target": job["target"], "columns": {"log_det": column}},
            }
            for job, column in zip(self.distance_jobs["jobs"], (TIED_COLUMN, EMPTY_COLUMN), strict=True)
        ]
        self.job = {"state": "succeeded"}
        self.found_by_the_worker: dict[str, Any] = {}
        self.recommendation: dict[str, Any] = {
            "id": "r1",
            "job_id": "j2",
            "name": "primes",
            "state": "succeeded",
            "verdict": "no_baseline",
            "target": {"task_id": "t2", "dataset": {"uri": "builtin://digits"}},
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "POST":
            self.posted = json.loads(request.content)
            study = {"job_id": "j1", "state": "queued", "task_id": "t1", "name": "odd"}
            answers = {"/v1/tasks": self.task, "/v1/distances": self.distance_jobs, "/v1/tasks/t1/study": study}
            return httpx.Response(202, json=answers.get(path, self.recommendation))
        if request.method == "DELETE":
            self.deleted.append(path)
            return httpx.Response(204)
        known = {
            "/v1/tasks": {"items": [self.task], "next": None},
            "/v1/tasks/t1": self.task | self.found_by_the_worker,
            "/v1/jobs/j1": self.job,
            "/v1/recommendations/r1": self.recommendation,
            "/v1/distances": self.matrix,
            "/v1/distances/odd/two primes": self.pair,
            "/v1/jobs/d0": self.columns[0],
            "/v1/jobs/d1": self.columns[1],
        }
        if path in known:
            return httpx.Response(200, json=known[path])
        return httpx.Response(
            404, json={"title": "Not found", "status": 404, "detail": "No resource can have this id."}
        )


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def run(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line with the service behind it; its standard output and error apart."""
    monkeypatch.setattr(submission, "POLL_SECONDS", 0.0)
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 400)  # a long path stays in one piece

    def open_client(url: str, api_key: str | None) -> Client:
        return Client(url, api_key, transport=httpx.MockTransport(service))

    monkeypatch.setattr(options, "open_client", open_client)
    return lambda *arguments: CliRunner().invoke(cli.app, arguments, catch_exceptions=True)


def test_a_task_is_added_as_it_is_typed(run: Run, service: FakeService, tmp_path: Path) -> None:
    file = tmp_path / "genotypes.json"
    file.write_text('{"edges": []}')
    result = run(
        *("task", "add", "odd", "file:///data/x.parquet", "--group", "1,03", "-g", '"black, white", #2', "--rest"),
        *("--label-column", "digit", "--network", "vgg16", "--epsilon", "0.1", "--genotypes", str(file)),
        *("--study", "2", "--study-seconds", "9"),
    )
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "odd is ready\n"
    assert service.posted == {
        "name": "odd",
        "dataset": {"uri": "file:///data/x.parquet", "label_column": "digit"},
        "labels": {"groups": [["1", "03"], ["black, white", "#2"]], "rest": True, "balance": False},
        "network": "vgg16",
        "epsilon": 0.1,
        "genotypes": [{"edges": []}],
        "study": {"cells": 2, "seconds": 9},
    }


@pytest.mark.parametrize(
    ("row", "labels"),
    [
        ('cat, dog ,"8"', ["cat", "dog", "8"]),
        ('" a ","say ""b"", c"', [" a ", 'say "b", c']),
        ('5" disc,', ['5" disc']),
    ],
)
def test_a_group_is_a_row_of_labels_in_which_quotes_protect_commas_and_blanks(
    run: Run, service: FakeService, row: str, labels: list[str]
) -> None:
    assert run("task", "add", "a", "builtin://digits", "--group", row, "--rest", "--no-wait").exit_code == 0
    assert service.posted["labels"]["groups"] == [labels]


def test_a_quote_that_is_not_closed_is_refused(run: Run, service: FakeService) -> None:
    result = run("task", "add", "a", "builtin://digits", "--group", '"black, white', "--rest", "--no-wait")
    assert (result.exit_code, service.posted) == (2, {})
    assert '"black' in result.stderr


def test_the_classes_and_the_budget_are_shown_before_the_wait(run: Run, service: FakeService) -> None:
    counts = [
        {"name": "002", "train": 14, "validation": 3, "test": 3},
        {"name": "a\nb", "train": 1, "validation": 0, "test": 0},
    ]
    service.recommendation["target"]["class_counts"] = counts
    service.recommendation["expected"] = {"seconds": 180.0, "is_default": True, "device": "cpu", "images": 21}
    shown = run("recommend", "builtin://digits").stderr
    assert "expected: 180 s for 21 images on cpu once a worker begins (the default, --seconds changes it)\n" in shown
    assert "2 classes: 002 (20 images), a b (1 image)\n" in shown
    assert shown.index("2 classes") < shown.index("succeeded")


def test_classes_that_only_a_worker_finds_are_shown_once_it_has_read_the_images(run: Run, service: FakeService) -> None:
    service.job = {"state": "succeeded", "stage": "fit"}
    counts = [{"name": name, "train": 7, "validation": 1, "test": 2} for name in ("odd", "rest")]
    service.found_by_the_worker = {"class_counts": counts}
    assert "2 classes: odd (10 images), rest (10 images)\n" in run("task", "add", "odd", "file:///data/x").stderr


def test_a_study_is_asked_for_as_it_is_typed(run: Run, service: FakeService) -> None:
    result = run("task", "study", "odd", "--cells", "1", "--seconds", "9.5")
    assert (result.exit_code, service.posted) == (0, {"cells": 1, "seconds": 9.5})
    assert result.stdout == "odd has 1 trained cell; ldnas task show odd lists them\n"
    assert "0.8750 ± 0.0625 after 15 epochs, 1.5 s, weights stored: sep3 id" in run("task", "show", "odd").stdout
    queued = run("task", "study", "odd", "--no-wait").stdout
    assert queued.startswith("the study of odd is queued: ")
    assert queued.endswith("/v1/jobs/j1\n")
    assert service.posted == {}


def test_without_groups_no_label_mapping_is_sent(run: Run, service: FakeService) -> None:
    assert run("task", "add", "ten", "builtin://digits", "--no-wait").exit_code == 0
    assert service.posted == {"name": "ten", "dataset": {"uri": "builtin://digits"}}


def test_a_genotype_file_that_cannot_be_read_is_named(run: Run, tmp_path: Path) -> None:
    result = run("task", "add", "a", "builtin://digits", "--genotypes", str(tmp_path / "none.json"))
    assert result.exit_code == 2
    assert "none.json" in result.stderr


@pytest.mark.parametrize(
    ("command", "document"),
    [
        (("task", "show", "t1", "--json"), "task"),
        (("task", "add", "odd", "builtin://digits", "--json"), "task"),
        (("recommend", "builtin://digits", "--json"), "recommendation"),
        (("recommend", "builtin://digits", "--json", "--no-wait"), "recommendation"),
        (("distances", "--json"), "matrix"),
        (("distances", "show", "odd", "two primes", "--json"), "pair"),
        (("distances", "measure", "odd", "primes", "--json"), "columns"),
        (("distances", "measure", "odd", "primes", "--json", "--no-wait"), "distance_jobs"),
    ],
)
def test_json_is_what_the_api_returned_and_nothing_else(
    run: Run, service: FakeService, command: tuple[str, ...], document: str
) -> None:
    result = run(*command)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == getattr(service, document)


def test_tasks_are_listed_with_their_labels_in_short(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    output = run("task", "list").stdout
    assert [line.split() for line in output.splitlines()[1:]] == [
        ["odd", "baseline", "succeeded", "builtin://digits"],
        ["t1", "1", "3", "|", "five", "|", "rest"],
    ]


def test_a_task_is_found_by_its_name_and_removed_by_its_id(run: Run, service: FakeService) -> None:
    assert "succeeded" in run("task", "show", "odd").stdout
    assert run("task", "remove", "odd").stdout == "removed odd\n"
    assert service.deleted == ["/v1/tasks/t1"]


def test_a_task_that_is_not_there_is_refused(run: Run) -> None:
    assert isinstance(run("task", "show", "even").exception, UnknownTaskError)


def test_a_recommendation_is_asked_for_as_it_is_typed(run: Run, service: FakeService) -> None:
    result = run(
        *("recommend", "builtin://digits", "--name", "primes", "--group", "2,3,5,7", "--rest", "--baseline", "odd"),
        *("--baseline", "ten", "--iterations", "4", "--candidates", "3", "--k", "2", "--seed", "7"),
        *("--space", "full"),
        *("--final-seeds", "2", "--warm-start"),
    )
    assert "no known task to compare with" in result.stdout
    assert service.posted == {
        "name": "primes",
        "dataset": {"uri": "builtin://digits"},
        "labels": {"groups": [["2", "3", "5", "7"]], "rest": True, "balance": False},
        "baselines": ["odd", "ten"],
        "budget": {"iterations": 4},
        "search": {"candidates": 3, "k": 2, "space": "full"},
        "final": {"seeds": 2, "warm_start": True},
        "seed": 7,
    }


def test_a_race_is_asked_for_with_its_kinds(run: Run, service: FakeService) -> None:
    kinds = ("--candidate", "plain", "--candidate", "pretrained", "--pretrained", "resnet10t=dataset://mine")
    result = run("recommend", "builtin://digits", "--strategy", "race", *kinds, "--seconds", "90")
    assert result.exit_code == 0, result.stderr
    assert service.posted == {
        "dataset": {"uri": "builtin://digits"},
        "search": {"strategy": "race"},
        "candidates": ["plain", "pretrained"],
        "pretrained": {"architecture": "resnet10t", "weights": "dataset://mine"},
        "budget": {"seconds": 90.0},
    }
    assert "ARCHITECTURE=WEIGHTS" in run("recommend", "builtin://digits", "--pretrained", "resnet10t").stderr


def test_the_matrix_shows_spreads_and_cells_that_were_not_measured(run: Run) -> None:
    lines = run("distances").stdout.splitlines()
    assert lines[1].split() == ["from", "\\", "to", "odd", "primes"]
    assert [line.split() for line in lines[2:]] == [
        ["odd", "0.0000", "0.2500"],
        ["±", "0.0000", "±", "0.1250"],
        ["primes", "·", "0.0000"],
    ]


def test_a_matrix_that_is_not_square_has_its_sources_below_each_other(run: Run, service: FakeService) -> None:
    service.matrix |= {"sources": ["t1", "t2"], "targets": ["t2"], "mean": [[0.25], [0.0]], "std": [[0.125], [None]]}
    lines = run("distances", "--target", "primes").stdout.splitlines()
    assert lines[1].split() == ["from", "\\", "to", "primes"]
    assert [line.split() for line in lines[2:]] == [["odd", "0.2500"], ["±", "0.1250"], ["primes", "0.0000"]]
    service.matrix |= {"sources": [], "targets": ["t2"], "mean": [], "std": []}
    assert "ldnas distances measure" in run("distances", "--target", "primes").stdout


def test_one_distance_shows_its_error_its_repetitions_and_its_largest_layers(run: Run) -> None:
    output = run("distances", "show", "odd", "two primes").stdout
    lines = [line.split() for line in output.splitlines()]
    assert output.startswith("From odd to two primes\nlog_det 0.2500 ± 0.1250 over repetitions")
    assert "standard error over images 0.0625" in output
    assert ["1", "0.5000", "0.5000", "·"] in lines
    assert ["layer0", "0.5000", "━━━━━━━━━━━━"] in lines
    assert not [line for line in lines if line[:1] == ["layer20"]]
    assert "and 4 layers with smaller contributions" in output


def test_distances_are_asked_for_as_they_are_typed_and_shown_when_they_are_there(
    run: Run, service: FakeService
) -> None:
    result = run(
        *("distances", "measure", "odd", "primes", "--source", "even", "--source", "loops"),
        *("--measure", "log_det", "--measure", "frechet", "--repetitions", "2"),
    )
    assert result.exit_code == 0, result.stderr
    assert service.posted == {
        "targets": ["odd", "primes"],
        "sources": ["even", "loops"],
        "measures": ["log_det", "frechet"],
        "repetitions": 2,
    }
    assert "To odd by log_det: A tie between even (60 %) and loops (40 %)" in result.stdout
    assert ["even", "0.5000", "±", "0.2500", "0.2500", "to", "1.0000", "60", "%", "━━━━━━━━"] in [
        line.split() for line in result.stdout.splitlines()
    ]
    assert "To primes by log_det: The service had no known task to compare with." in result.stdout
    assert run("distances", "measure", "odd", "primes", "--no-wait").stdout.count("queued") == 2
    assert service.posted == {"targets": ["odd", "primes"]}


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_of_several_targets_those_that_were_measured_are_shown_and_the_others_named(
    run: Run, service: FakeService, as_json: bool
) -> None:
    measured = service.columns[1]
    service.columns[0] = {"id": "d0", "state": "failed", "error": {"title": "No", "detail": "no such measure"}}
    result = run("distances", "measure", "odd", "primes", *(["--json"] if as_json else []))
    assert result.exit_code == 1
    assert "ldnas: distances to odd: no such measure\n" in result.stderr
    if as_json:
        assert json.loads(result.stdout) == [measured]
    else:
        assert "To primes by log_det: The service had no known task to compare with." in result.stdout
    service.columns[1] = {"id": "d1", "state": "cancelled"}
    result = run("distances", "measure", "odd", "primes")
    assert (result.exit_code, "distances to primes: primes was cancelled" in result.stderr) == (1, True)


@pytest.mark.parametrize("misplaced", [("--json",), ("--url", "http://elsewhere"), ("--measure", "log_det")])
def test_an_option_before_the_command_is_refused_instead_of_forgotten(run: Run, misplaced: tuple[str, ...]) -> None:
    result = run("distances", *misplaced, "show", "odd", "two primes")
    assert result.exit_code == 2
    assert misplaced[0] in result.stderr
    assert "after show" in result.stderr


def test_help_of_distances_has_its_commands_and_examples(run: Run) -> None:
    output = run("distances", "--help").stdout
    assert "measure" in output
    assert "ldnas distances measure odd_or_even" in " ".join(output.split())


def test_an_expected_error_is_one_message_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise HomeInUseError(Path("/home"), "process 7 at http://127.0.0.1:8000")

    monkeypatch.setattr(cli, "app", refuse)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert capsys.readouterr().err.startswith("ldnas: /home is in use by process 7 at http://127.0.0.1:8000")


def test_a_setting_that_is_not_accepted_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["ldnas", "up"])
    monkeypatch.setenv("LDNAS_PORT", "many")
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err.startswith("ldnas: LDNAS_PORT is 'many'")


def test_a_webhook_takes_its_secret_from_the_environment(
    run: Run, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("recommend", "builtin://digits", "--no-wait", "--webhook", "https://hooks.example.org/a")
    monkeypatch.delenv("LDNAS_WEBHOOK_SECRET", raising=False)
    assert "LDNAS_WEBHOOK_SECRET" in run(*asked).stderr
    monkeypatch.setenv("LDNAS_WEBHOOK_SECRET", "whsec_x")
    assert run(*asked).exit_code == 0
    assert service.posted["webhook"] == {"url": "https://hooks.example.org/a", "secret": "whsec_x"}
