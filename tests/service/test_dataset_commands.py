"""`ldnas dataset` and the client's calls behind it, against the real application."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from service.cli import command as cli
from service.cli.commands import options
from service.client import Client
from service.client.errors import MissingPackageError, RequestRefusedError, UnpackableFolderError

Run = Callable[..., Result]


@pytest.fixture
def client(http: httpx.Client) -> Iterator[Client]:
    def forward(request: httpx.Request) -> httpx.Response:
        answer = http.request(request.method, request.url, headers=request.headers, content=request.read())
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    with Client("http://service", transport=httpx.MockTransport(forward)) as client:
        yield client


@pytest.fixture
def run(client: Client, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(options, "open_client", lambda url, api_key: client)
    # The fixture closes it.
    monkeypatch.setattr(type(client), "__exit__", lambda *arguments: None)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(cli.app, list(arguments), catch_exceptions=False)


@pytest.fixture
def stripes_file(tmp_path: Path, stripes_zip: bytes) -> Path:
    path = tmp_path / "stripes.zip"
    path.write_bytes(stripes_zip)
    return path


def test_a_file_is_added_listed_used_and_removed(run: Run, client: Client, stripes_file: Path) -> None:
    added = run("dataset", "add", "stripes", str(stripes_file))
    assert (added.exit_code, added.stdout) == (0, "dataset://stripes has 36 images of 3 classes\n")
    assert "stripes.zip: 36 images of 3 classes" in added.stderr
    assert "across" in added.stderr
    listed = run("dataset", "list")
    assert "dataset://stripes" in listed.stdout
    assert f"{stripes_file.stat().st_size:,}" in listed.stdout
    assert client.register_task("stripes", "dataset://stripes").document["state"] == "queued"
    with pytest.raises(RequestRefusedError, match="is used by the task 'stripes'"):
        run("dataset", "remove", "stripes")
    client.add_dataset("other", stripes_file)
    assert run("dataset", "remove", "other").stdout == "removed other\n"
    assert [found["name"] for found in client.datasets()] == ["stripes"]


def test_json_is_what_the_api_returned(run: Run, client: Client, stripes_file: Path) -> None:
    added = json.loads(run("dataset", "add", "stripes", str(stripes_file), "--json").stdout)
    assert added == client.dataset("stripes")
    listed = json.loads(run("dataset", "list", "--json").stdout)
    assert listed == {
        "items": [{key: value for key, value in added.items() if key not in ("classes", "warnings", "job_refusals")}],
        "next": None,
    }


def test_a_folder_is_packed_and_packed_again_it_is_the_same_file(client: Client, stripes_folder: Path) -> None:
    first = client.add_dataset("stripes", stripes_folder)
    copy = stripes_folder.with_name("copy")
    shutil.copytree(stripes_folder, copy, copy_function=shutil.copy)  # with times of its own
    assert client.add_dataset("stripes", copy) == first
    (copy / "across" / "00.png").unlink()
    with pytest.raises(RequestRefusedError, match="another dataset has the name"):
        client.add_dataset("stripes", copy)


def test_a_refusal_names_the_file_in_the_archive(client: Client, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("cat/a.png", b"no image")
    with pytest.raises(RequestRefusedError, match=r"cat/a\.png") as refusal:
        client.add_dataset("cats", tmp_path / "a.zip")
    assert refusal.value.status == 422


def test_a_broken_connection_sends_the_file_again_from_its_beginning(stripes_file: Path) -> None:
    received: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        received.append(request.read())
        assert request.headers["Content-Length"] == str(stripes_file.stat().st_size)
        assert "Transfer-Encoding" not in request.headers
        if len(received) == 1:
            raise httpx.WriteError("broken pipe")
        return httpx.Response(201, json={})

    with Client("http://service", transport=httpx.MockTransport(answer)) as client:
        client.add_dataset("stripes", stripes_file)
    assert received == [stripes_file.read_bytes()] * 2


def test_a_full_temporary_folder_is_named_with_the_space_that_packing_needs(
    stripes_folder: Path, tmp_path: Path
) -> None:
    (stripes_folder / "plain" / "large.png").write_bytes(bytes(3 * 2**20))
    # A file of the process cannot grow beyond 1 MiB, as on a full disk.
    code = f"""
import resource, sys
from service.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
sys.argv = ["ldnas", "dataset", "add", "x", {str(stripes_folder)!r}, "--check-only"]
main()
"""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"ldnas: {stripes_folder} cannot be packed into {tmp_path}/")
    assert line.endswith("; set TMPDIR to a folder with 4 MiB of free space")
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("name", "reason"), [("\\", "%5C in {} has a backslash, which"), ("\udce4", "%E4 in {} is not UTF-8")]
)
def test_a_folder_whose_name_not_every_system_can_hold_is_refused_for_the_true_reason(
    client: Client, stripes_folder: Path, name: str, reason: str
) -> None:
    (stripes_folder / name).mkdir()
    with pytest.raises(UnpackableFolderError) as refusal:
        client.add_dataset("stripes", stripes_folder)
    assert f"the name of the folder {reason.format(stripes_folder)}" in str(refusal.value)


def test_two_files_that_would_get_one_name_in_the_archive_are_refused(client: Client, stripes_folder: Path) -> None:
    image = next(stripes_folder.rglob("*.png"))
    for name in ("\\.png", "%5C.png"):
        (image.parent / name).write_bytes(image.read_bytes())
    with pytest.raises(UnpackableFolderError, match=r"two files in .* would be called .*%5C\.png in the archive"):
        client.add_dataset("stripes", stripes_folder)


def test_a_name_that_no_dataset_may_have_is_refused_before_the_check(
    run: Run, stripes_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 400)  # the message stays on one line
    refused = run("dataset", "add", "a/b", str(stripes_folder))
    assert (refused.exit_code, "1 to 64 letters A to Z or a to z, digits and . _ -" in refused.output) == (2, True)


@pytest.mark.parametrize("value_range", ["0,0", "9,1", "0,nan", "0", "a,b"])
def test_a_value_range_that_is_none_is_refused_as_an_option(
    run: Run, stripes_file: Path, value_range: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 400)
    result = run("dataset", "add", "a", str(stripes_file), "--check-only", "--value-range", value_range)
    assert result.exit_code == 2
    assert f"{value_range!r} is not a value range; write two numbers, the lower first" in result.stderr


def test_a_uri_in_place_of_a_path_is_answered_with_the_path(
    run: Run, stripes_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 400)
    result = run("dataset", "add", "a", stripes_file.as_uri(), "--check-only")
    assert result.exit_code == 2
    assert f"does not exist; FILE is a path and no URI: {stripes_file}" in " ".join(result.stderr.split())
    other = run("dataset", "add", "a", "s3://bucket/a.zip", "--check-only")
    assert "does not exist; FILE is a path and no URI" in " ".join(other.stderr.split())
    assert "no URI" not in run("dataset", "add", "a", "no/such").stderr


def test_an_empty_service_says_how_to_add_one(run: Run) -> None:
    assert "ldnas dataset add" in run("dataset", "list").stdout


def test_a_task_brings_its_weights_by_their_name(run: Run) -> None:
    refused = run("task", "add", "own", "builtin://digits", "--weights", "dataset://mine")
    assert (refused.exit_code, "--network" in refused.output) == (2, True)
    with pytest.raises(RequestRefusedError, match="no dataset has the name 'mine'"):
        run("task", "add", "own", "builtin://digits", "--network", "small_cnn", "--weights", "dataset://mine")


def test_a_dataset_with_a_broken_image_is_not_uploaded(run: Run, client: Client, stripes_folder: Path) -> None:
    (stripes_folder / "down" / "03.png").write_bytes(b"no picture")
    result = run("dataset", "add", "stripes", str(stripes_folder))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "broken: down/03.png cannot be decoded" in result.stderr
    assert "ldnas: nothing was uploaded, because the service would refuse it" in result.stderr
    assert list(client.datasets()) == []
    with pytest.raises(RequestRefusedError, match=r"down/03\.png"):
        run("dataset", "add", "stripes", str(stripes_folder), "--no-check")


def test_without_a_check_the_warnings_of_the_service_are_printed(run: Run, stripes_folder: Path) -> None:
    (stripes_folder / "down" / "notes.txt").write_text("a file that is not an image")
    result = run("dataset", "add", "stripes", str(stripes_folder), "--no-check")
    assert result.stderr.splitlines() == ["! passed over: 1 file in down, not an image (notes.txt)"]


def test_a_check_alone_uploads_nothing_and_its_json_is_the_report(
    run: Run, client: Client, stripes_folder: Path
) -> None:
    checked = run("dataset", "add", "stripes", str(stripes_folder), "--check-only")
    assert (checked.exit_code, "stripes: 36 images of 3 classes" in checked.stdout) == (0, True)
    report = json.loads(run("dataset", "add", "stripes", str(stripes_folder), "--check-only", "--json").stdout)
    assert (report["accepted"], report["images"], report["broken"]) == (True, 36, [])
    assert {entry["name"]: entry["images"] for entry in report["classes"]} == dict.fromkeys(
        ("across", "down", "plain"), 12
    )
    (stripes_folder / "down" / "03.png").write_bytes(b"no picture")
    broken = run("dataset", "add", "stripes", str(stripes_folder), "--check-only", "--json")
    assert (broken.exit_code, json.loads(broken.stdout)["broken"][0]["origin"]) == (1, "down/03.png")
    assert list(client.datasets()) == []


def test_on_a_terminal_it_asks_before_the_upload(
    run: Run, client: Client, stripes_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[str] = []

    def confirm(question: str, **options: object) -> bool:
        answers.append(question)
        return len(answers) > 1

    monkeypatch.setattr("service.cli.commands.dataset.is_at_terminal", lambda: True)
    monkeypatch.setattr("typer.confirm", confirm)
    refused = run("dataset", "add", "stripes", str(stripes_file))
    assert (refused.exit_code, list(client.datasets())) == (1, [])
    assert run("dataset", "add", "stripes", str(stripes_file)).exit_code == 0
    assert answers == ["Upload it as stripes?"] * 2
    assert run("dataset", "add", "again", str(stripes_file), "--yes").exit_code == 0
    assert len(answers) == 2


def test_an_installation_that_cannot_decode_leaves_the_look_to_the_service(
    run: Run, stripes_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*arguments: object) -> None:
        raise MissingPackageError("numpy", "predict")

    monkeypatch.setattr("service.cli.commands.dataset.inspect", missing)
    added = run("dataset", "add", "stripes", str(stripes_file))
    assert (added.exit_code, added.stdout) == (0, "dataset://stripes has 36 images of 3 classes\n")
    assert "stripes.zip is not checked on this machine, only by the service; numpy is not installed" in added.stderr
    with pytest.raises(MissingPackageError):
        run("dataset", "add", "stripes", str(stripes_file), "--check-only")
