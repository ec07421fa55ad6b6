"""`ldnas architecture` and the client's calls behind it, against a service that is played."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from service.cli import command as cli
from service.cli.commands import options
from service.client import Client, submission
from service.client.architectures import FILES

Run = Callable[..., Result]

ARCHITECTURE = {
    "id": "a1",
    "name": "primes",
    "genotype": {"edges": [[0, 1, "identity"], [0, 2, "sep_conv_3x3"]]},
    "skeleton": {"image_size": 16},
    "class_names": ["prime", "rest"],
    "parameters": 12345,
    "macs": 6789000,
    "validation": {"accuracy": 0.5},
    "test": {"accuracy": 0.875, "interval": [0.75, 0.9375]},
}
PLAIN = ARCHITECTURE | {
    "id": "a3",
    "kind": "plain",
    "design": {"kind": "plain", "width": 16, "image_size": 24, "classes": 2, "name": "resnet18"},
    "genotype": None,
    "skeleton": None,
}
TRAINING = {"job_id": "j1", "state": "queued", "architecture_id": "a2", "task_id": "t1", "name": "round"}
JOB = {"id": "j1", "state": "succeeded", "result": {"architecture_id": "a2"}}


class FakeService:
    """Answers as the service would; every job has succeeded at once."""

    def __init__(self) -> None:
        self.posted: dict[str, Any] = {}
        self.documents: dict[str, Any] = {
            "/v1/architectures": {"items": [ARCHITECTURE], "next": None},
            "/v1/architectures/a1": ARCHITECTURE,
            "/v1/architectures/a2": ARCHITECTURE | {"id": "a2", "name": "round"},
            "/v1/jobs/j1": JOB,
        }
        self.files = {f"/v1/architectures/a1/{file}": f"the {file}".encode() for file in FILES}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "POST":
            assert path == "/v1/architectures/a1/train"
            self.posted = json.loads(request.content)
            return httpx.Response(202, json=TRAINING)
        if path in self.files:
            return httpx.Response(200, content=self.files[path])
        if path in self.documents:
            return httpx.Response(200, json=self.documents[path])
        return httpx.Response(
            404, json={"title": "Not found", "status": 404, "detail": "No resource can have this id."}
        )


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def run(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(submission, "POLL_SECONDS", 0.0)
    monkeypatch.setenv("COLUMNS", "120")

    def open_client(url: str, api_key: str | None) -> Client:
        return Client(url, api_key, transport=httpx.MockTransport(service))

    monkeypatch.setattr(options, "open_client", open_client)
    return lambda *arguments: CliRunner().invoke(cli.app, ["architecture", *arguments], catch_exceptions=True)


def test_an_export_writes_every_file_and_says_how_it_is_run(run: Run, service: FakeService, tmp_path: Path) -> None:
    folder = tmp_path / "there" / "net"
    result = run("export", "a1", "--to", str(folder))
    assert result.exit_code == 0, result.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "network.py": b"the code",
        "weights.safetensors": b"the weights",
        "network.pt2": b"the program",
        "network.onnx": b"the onnx",
        "card.md": b"the card",
    }
    assert f"python {folder}/network.py {folder}/weights.safetensors IMAGE.png" in result.stdout


def test_an_export_to_where_nothing_can_be_written_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("export", "a1", "--to", str(tmp_path / "file"))
    assert result.exit_code == 2
    assert "cannot write to the folder" in result.stderr


def test_a_file_that_the_service_lost_leaves_no_half_of_it(run: Run, service: FakeService, tmp_path: Path) -> None:
    del service.files["/v1/architectures/a1/onnx"]
    result = run("export", "a1", "--to", str(tmp_path))
    assert "No resource can have this id" in str(result.exception)
    assert not (tmp_path / "network.onnx").exists()


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (("list",), "/v1/architectures"),
        (("show", "a1"), "/v1/architectures/a1"),
        (("train", "a1", "builtin://digits"), "/v1/architectures/a2"),
    ],
)
def test_json_is_what_the_api_returned(run: Run, service: FakeService, command: tuple, path: str) -> None:
    result = run(*command, "--json")
    assert json.loads(result.stdout) == service.documents[path]


def test_a_network_is_listed_with_its_accuracy(run: Run) -> None:
    output = run("list").stdout
    assert "primes" in output
    assert "0.875 (0.750 to 0.938)" in output
    assert "id sep3" in output


def test_a_network_without_a_cell_is_listed_shown_and_exported(run: Run, service: FakeService, tmp_path: Path) -> None:
    pretrained = PLAIN | {"kind": "pretrained", "design": {"name": "tf_efficientnet_lite0", "image_size": 64}}
    service.documents["/v1/architectures"]["items"] = [PLAIN, pretrained, ARCHITECTURE]
    service.documents["/v1/architectures/a3"] = PLAIN
    service.files |= {f"/v1/architectures/a3/{file}": b"" for file in FILES}
    listed = run("list").stdout
    for words in ("resnet18, width 16", "tf_efficientnet_lite0", "id sep3"):
        assert words in listed
    shown = run("show", "a3").stdout
    for words in ("resnet18, width 16", "24 pixels", "export a3 --to FOLDER"):
        assert words in shown
    assert "cell" not in shown
    assert run("export", "a3", "--to", str(tmp_path)).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == set(FILES.values())


def test_without_networks_the_listing_says_how_to_get_one(run: Run, service: FakeService) -> None:
    service.documents["/v1/architectures"]["items"] = []
    assert "ldnas recommend" in run("list").stdout


def test_a_network_is_shown_with_its_cell_and_its_files(run: Run) -> None:
    output = run("show", "a1").stdout
    for words in ("0→2 sep_conv_3x3", "prime, rest", "16 pixels", "12,345", "export a1 --to FOLDER"):
        assert words in output


def test_training_again_sends_the_arguments_and_shows_the_new_network(run: Run, service: FakeService) -> None:
    result = run(
        *(
            "train",
            "a1",
            "file:///data/x.parquet",
            "--group",
            "0,6",
            "-g",
            "eight",
            "--rest",
            "--label-column",
            "digit",
        ),
        *("--name", "round", "--image-size", "32", "--seed", "4", "--priority", "2"),
    )
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("round\n")
    assert "a2" in result.stdout
    assert service.posted == {
        "dataset": {"uri": "file:///data/x.parquet", "label_column": "digit"},
        "labels": {"groups": [["0", "6"], ["eight"]], "rest": True, "balance": False},
        "name": "round",
        "image_size": 32,
        "seed": 4,
        "priority": 2,
    }


def test_training_again_shows_the_classes_with_their_images_before_it_waits(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = [
        {"name": "round", "train": 4, "validation": 1, "test": 1},
        {"name": "rest", "train": 7, "validation": 1, "test": 0},
    ]
    monkeypatch.setitem(TRAINING, "class_counts", counts)
    result = run("train", "a1", "builtin://digits", "--no-wait")
    assert "2 classes: round (6 images), rest (8 images)" in result.stderr


def test_training_again_without_waiting_says_where_it_can_be_watched(run: Run) -> None:
    result = run("train", "a1", "builtin://digits", "--no-wait")
    assert result.stdout == "round is queued: http://127.0.0.1:8000/v1/jobs/j1\n"
