"""The exit codes of `ldnas`: a script can distinguish the reasons, and every command says how it is used."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from service.cli import command as cli
from service.cli.commands import completion
from service.cli.commands.exit_codes import MEANINGS, ExitCode, exit_code_of
from service.client import errors


class Service:
    """A few answers over real HTTP, by method and path."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                line = f"{self.command} {self.path.partition('?')[0]}"
                service.asked.append(line)
                status, document = service.answers.get(line, (404, {"title": "Not found", "detail": "No such thing."}))
                body = b"" if document is None else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = do_PUT = answer  # noqa: N815 - the library's names

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    thread = threading.Thread(target=service.server.serve_forever)
    thread.start()
    yield service
    service.server.shutdown()
    service.server.server_close()
    thread.join()


@pytest.fixture
def ldnas(service: Service, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts the real command in a process of its own, with the service as its `LDNAS_URL`."""

    def start(*words: str, name: str = "", **environment: str) -> subprocess.Popen[str]:
        # By this name the shell knows it; a module's own name is longer.
        # Tests that were started in the background ignore interruptions, and would leave that to their children.
        code = (
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
            f"sys.argv[0] = {name or 'ldnas'!r}; from service.cli import main; main()"
        )
        return subprocess.Popen(
            [sys.executable, "-c", code, *words],
            env={**os.environ, "LDNAS_URL": service.url, "LDNAS_HOME": str(tmp_path / "home"), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, error = process.communicate(timeout=60)
    return process.returncode, output, error


JOB = {"id": "r1", "job_id": "j1", "name": "primes", "target": {"task_id": "t1"}}


def asking(service: Service, status: dict[str, Any]) -> None:
    """A recommendation that is as `status` says, whenever it is asked for."""
    service.answers["POST /v1/recommendations"] = (202, JOB)
    service.answers["GET /v1/recommendations/r1"] = (200, {**JOB, **status})
    service.answers["GET /v1/tasks/t1"] = (200, {"id": "t1", "class_counts": None})


def test_every_kind_of_end_has_its_code(service: Service, ldnas: Callable[..., subprocess.Popen[str]]) -> None:
    service.answers["GET /v1/tasks"] = (200, {"items": [], "next": None})
    nobody = {"LDNAS_URL": "http://127.0.0.1:9"}
    asking(service, {"state": "failed", "error": {"detail": "class 2 has 3 images"}})
    began = {
        ExitCode.DONE: ldnas("task", "list"),
        ExitCode.FAILED: ldnas("recommend", "builtin://digits"),
        ExitCode.USAGE: ldnas("task", "list", "--no-such-option"),
        ExitCode.REFUSED: ldnas("architecture", "show", "a1"),
        ExitCode.UNREACHABLE: ldnas("task", "list", **nobody),
    }
    found = {code: ended(process) for code, process in began.items()}
    assert {code: status for code, (status, _, _) in found.items()} == {code: code.value for code in began}
    assert found[ExitCode.FAILED][2].splitlines()[-1] == "ldnas: class 2 has 3 images"
    assert found[ExitCode.REFUSED][1:] == ("", "ldnas: No such thing.\n")
    (line,) = found[ExitCode.UNREACHABLE][2].splitlines()
    assert "no service answers at http://127.0.0.1:9" in line
    assert "ldnas up" in line


def test_waiting_ends_with_its_timeout_or_an_interruption_and_says_that_the_job_continues(
    service: Service, ldnas: Callable[..., subprocess.Popen[str]]
) -> None:
    asking(service, {"state": "running", "stage": "fit"})
    status, output, error = ended(ldnas("recommend", "builtin://digits", "--timeout", "0.2", "--json"))
    assert (status, output) == (ExitCode.TIMED_OUT, "")
    assert error.splitlines()[-1] == "ldnas: primes has not ended after 0.2 s; it continues in the service"
    service.asked.clear()
    interrupted = ldnas("recommend", "builtin://digits")
    give_up = time.monotonic() + 60
    while "GET /v1/recommendations/r1" not in service.asked and time.monotonic() < give_up:
        time.sleep(0.05)
    interrupted.send_signal(signal.SIGINT)
    status, output, error = ended(interrupted)
    assert (status, output) == (ExitCode.INTERRUPTED, "")
    assert (
        f"ldnas: primes continues in the service; POST {service.url}/v1/recommendations/r1/cancel cancels it" in error
    )
    assert "Traceback" not in error


def test_every_error_of_the_client_has_a_code() -> None:
    made = {
        errors.UnreachableError("http://x", "refused"): ExitCode.UNREACHABLE,
        errors.StrangeAnswerError("http://x", "text/html"): ExitCode.UNREACHABLE,
        errors.DamagedFileError("http://x"): ExitCode.UNREACHABLE,
        errors.RequestRefusedError({}, 422): ExitCode.REFUSED,
        errors.KeyRefusedError({}, 401): ExitCode.REFUSED,
        errors.NotAllowedError({}, 403): ExitCode.REFUSED,
        errors.TooManyError({}, 429): ExitCode.REFUSED,
        errors.UnknownTaskError("x"): ExitCode.REFUSED,
        errors.WaitTimeoutError("x", 1.0): ExitCode.TIMED_OUT,
        errors.JobFailedError({}): ExitCode.FAILED,
        errors.JobCancelledError("x"): ExitCode.FAILED,
        errors.MissingPackageError("torch", "worker"): ExitCode.FAILED,
        errors.UnusableNetworkError("x"): ExitCode.FAILED,
        errors.NoNetworkError("x", "running"): ExitCode.FAILED,
        errors.InvalidAddressError("u", "r"): ExitCode.UNREACHABLE,
        errors.InvalidVariableError("V", "v", "r", "m"): ExitCode.FAILED,
        errors.InvalidKeyError(): ExitCode.FAILED,
        errors.NotFiniteError(): ExitCode.FAILED,
        errors.TemporaryFolderError("r", "n"): ExitCode.FAILED,
        errors.UnpackableFolderError("m"): ExitCode.FAILED,
        errors.NoClientError("Task"): ExitCode.FAILED,
    }
    assert {type(error): exit_code_of(error) for error in made} == {type(error): code for error, code in made.items()}
    defined = {member for member in vars(errors).values() if isinstance(member, type)}
    assert {error for error in defined if issubclass(error, errors.ClientError)} - {errors.ClientError} == {
        type(error) for error in made
    }


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not getattr(command, "commands", None):
        yield words, command
        return
    for name, child in command.commands.items():
        yield from leaves(child, (*words, name))


LEAVES = list(leaves(typer.main.get_command(cli.app)))


@pytest.mark.parametrize(("words", "command"), LEAVES, ids=[" ".join(words) for words, _ in LEAVES])
def test_every_command_has_an_example_and_says_what_it_prints(words: tuple[str, ...], command: Any) -> None:
    help_text = f"{command.help} {command.epilog or ''}"
    assert re.search(rf"\bldnas {' '.join(words)}\b", help_text), "its help has no example"
    options = {option for parameter in command.params for option in parameter.opts}
    silent = {("up",), ("migrate",), ("api",), ("dispatcher",), ("worker",)}
    assert ("--json" in options) == (words not in silent)


def test_the_help_lists_every_exit_code() -> None:
    help_text = " ".join(CliRunner().invoke(cli.app, ["--help"], env={"COLUMNS": "200"}).stdout.split())
    for code, meaning in MEANINGS.items():
        assert f"{code.value} {meaning}" in help_text
    assert set(MEANINGS) == set(ExitCode)
    assert "--install-completion" in help_text


def complete(ldnas: Callable[..., subprocess.Popen[str]], *words: str, **environment: str) -> list[str]:
    """What bash would offer for the last of these words."""
    line = " ".join(("ldnas", *words))
    process = ldnas(
        name="ldnas",
        _LDNAS_COMPLETE="complete_bash",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words)),
        _TYPER_COMPLETE_ARGS=line,
        **environment,
    )
    status, output, error = ended(process)
    assert (status, error) == (0, "")
    return output.split()


def test_the_shell_completes_commands_and_what_the_service_knows(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LDNAS_URL", service.url)
    tasks = [
        {"name": "odd", "role": "baseline", "state": "succeeded"},
        {"name": "ten", "role": "baseline", "state": "x"},
    ]
    service.answers["GET /v1/tasks"] = (200, {"items": tasks, "next": "more"})
    service.answers["GET /v1/datasets"] = (200, {"items": [{"name": "s", "uri": "dataset://s", "kind": "zip"}]})
    service.answers["GET /v1/architectures"] = (200, {"items": [{"id": "a1", "name": "primes"}]})
    assert completion.of_baselines("o") == [("odd", "succeeded")]
    assert completion.of_tasks("") == [("odd", "baseline"), ("ten", "baseline")]
    assert completion.of_datasets("s") == [("s", "zip")]
    assert completion.of_dataset_uris("d") == [("dataset://s", "zip")]
    assert completion.of_dataset_uris("b") == [("builtin://digits", "1,797 scans")]
    assert completion.of_architectures("a") == [("a1", "primes")]
    assert completion.of_measures("task") == ["task2vec", "task2vec_asymmetric"]
    assert completion.of_strategies("da") == ["darts", "darts_second_order"]
    assert completion.of_strategies("rac") == ["race"]
    assert completion.of_kinds("p") == ["plain", "pretrained"]
    assert completion.of_objectives("m") == ["macro_f1"]
    assert len(service.asked) == 6  # one page each, and none for the names that are known here


def test_a_service_that_is_slow_gone_or_strange_offers_nothing_and_says_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LDNAS_URL", service.url)
    for answer in ((401, {"title": "a key"}), (200, {"things": []}), (200, ["x"]), (503, {"title": "starting"})):
        service.answers["GET /v1/tasks"] = answer
        assert completion.of_tasks("") == []
    for url in ("http://127.0.0.1:9", "no address"):
        monkeypatch.setenv("LDNAS_URL", url)
        assert completion.of_tasks("") == []
    assert capsys.readouterr() == ("", "")


def test_the_command_answers_the_shell(service: Service, ldnas: Callable[..., subprocess.Popen[str]]) -> None:
    service.answers["GET /v1/tasks"] = (200, {"items": [{"name": "odd", "state": "succeeded"}]})
    assert "recommend" in complete(ldnas, "re")
    assert complete(ldnas, "task", "show", "o") == ["odd"]
