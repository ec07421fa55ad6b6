"""The network of an id: downloaded once, kept by its digest, compared with it."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from service.cli import command as cli
from service.cli.commands import options
from service.client import Client
from service.client.errors import DamagedFileError, RequestRefusedError, UnreachableError

Run = Callable[..., Result]


class FileServer:
    """Has the file of one architecture and counts the bytes that were taken of it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.tag = f'"{hashlib.sha256(content).hexdigest()}"'
        self.breaks = 0
        self.sent = 0
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/v1/architectures/a1/onnx":
            return httpx.Response(
                404, json={"title": "Not found", "status": 404, "detail": "No resource can have this id."}
            )
        self.asked += 1
        return httpx.Response(
            200, headers={"ETag": self.tag, "Content-Length": str(len(self.content))}, content=self._parts()
        )

    def _parts(self) -> Any:
        for start in range(0, len(self.content), 1000):
            if self.breaks and start > 2000:
                self.breaks -= 1
                raise httpx.ReadError("broken")
            self.sent += len(self.content[start : start + 1000])
            yield self.content[start : start + 1000]


@pytest.fixture
def server(found: Any) -> FileServer:
    return FileServer(found.file.read_bytes())


@pytest.fixture
def run(server: FileServer, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    def open_client(url: str, api_key: str | None) -> Client:
        return Client(url, api_key, transport=httpx.MockTransport(server))

    monkeypatch.setattr(options, "open_client", open_client)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def predict(*arguments: str) -> Result:
        image = str(pictures / "first" / "grey.png")
        return CliRunner().invoke(cli.app, ["predict", *arguments, image, "--json"], catch_exceptions=True)

    return predict


def kept(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache" / "ldnas").rglob("*") if path.is_file()]


def test_a_network_is_downloaded_once_and_then_taken_from_the_cache(
    run: Run, server: FileServer, found: Any, tmp_path: Path
) -> None:
    first = run("a1")
    assert first.exit_code == 0, first.stderr
    assert server.sent == len(server.content)
    (file,) = kept(tmp_path)
    assert file.name == hashlib.sha256(server.content).hexdigest() + ".onnx"
    second = run("a1")
    assert second.stdout == first.stdout
    assert (server.asked, server.sent) == (2, len(server.content))
    by_file = json.loads(run(str(found.file)).stdout)
    assert by_file["images"] == json.loads(first.stdout)["images"]


def test_a_kept_file_that_was_changed_is_downloaded_again(run: Run, server: FileServer, tmp_path: Path) -> None:
    whole = run("a1").stdout
    (file,) = kept(tmp_path)
    file.write_bytes(file.read_bytes()[:-1])
    assert run("a1").stdout == whole
    assert server.sent == 2 * len(server.content)


def test_a_download_that_breaks_begins_again(run: Run, server: FileServer, tmp_path: Path) -> None:
    server.breaks = 2
    assert run("a1").exit_code == 0
    server.breaks = 3
    shutil.rmtree(tmp_path / "cache")
    assert isinstance(run("a1").exception, UnreachableError)


def test_a_file_that_did_not_arrive_as_it_is_is_refused_and_not_kept(
    run: Run, server: FileServer, tmp_path: Path
) -> None:
    server.content = server.content[:-1] + b"!"
    assert isinstance(run("a1").exception, DamagedFileError)
    assert kept(tmp_path) == []


def test_a_tag_that_is_not_a_digest_names_no_file(run: Run, server: FileServer, tmp_path: Path) -> None:
    server.tag = '"../../elsewhere"'
    assert run("a1").exit_code == 0
    (file,) = kept(tmp_path)
    assert file.name == hashlib.sha256(server.content).hexdigest() + ".onnx"


def test_an_id_that_the_service_does_not_know_is_its_refusal(run: Run) -> None:
    refusal = run("a2").exception
    assert isinstance(refusal, RequestRefusedError)
    assert refusal.status == 404
