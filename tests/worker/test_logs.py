"""Log lines name the request and the job that they belong to, and cannot be forged."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator

import pytest

from worker.process import logs
from worker.process.logs import bind, configure_logging, log_fields
from worker.queue.worker_main import shorten_broker_failures

log = logging.getLogger("tests.logs")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], io.StringIO]]:
    """Configures logging as a process would, into a text that the test can read; undone afterwards."""
    bound_before = logs._bound.set(None)  # by earlier tests, in this process; only a process of its own may bind
    root = logging.getLogger()
    before, level = root.handlers[:], root.level

    def configure(log_format: str) -> io.StringIO:
        text = io.StringIO()
        monkeypatch.setattr(sys, "stderr", text)
        root.handlers.clear()  # pytest's own, which `force` would close
        configure_logging(log_format)
        return text

    yield configure
    logs._bound.reset(bound_before)
    logging.captureWarnings(False)
    root.handlers[:] = before
    root.setLevel(level)


def test_a_json_line_has_the_fields_that_are_bound_and_those_that_are_given(
    written: Callable[[str], io.StringIO],
) -> None:
    text = written("json")
    with log_fields(job_id="j", request_id="r"):
        bind(stage="fit")
        log.info("took %d s", 3, extra={"seconds": 3.0})
        with log_fields(request_id=None):
            log.warning("no request")
    log.info("outside")
    first, second, third = map(json.loads, text.getvalue().splitlines())
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "INFO",
        "logger": "tests.logs",
        "message": "took 3 s",
        "job_id": "j",
        "request_id": "r",
        "stage": "fit",
        "seconds": 3.0,
    }
    assert ("request_id" in second, second["stage"]) == (False, "fit")
    assert not {"job_id", "stage"} & set(third)


def test_an_exception_is_a_field_of_its_line_and_a_warning_of_python_is_a_line(
    written: Callable[[str], io.StringIO],
) -> None:
    text = written("json")
    try:
        raise LookupError("gone")
    except LookupError:
        log.exception("a bug")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("take care", stacklevel=1)
    bug, warning = map(json.loads, text.getvalue().splitlines())
    assert bug["exception"].endswith("LookupError: gone")
    assert "take care" in warning["message"]


def test_no_message_can_forge_a_line(written: Callable[[str], io.StringIO]) -> None:
    forged = "x\n2026-11-25T00:00:00.000Z ERROR worker: all is lost"
    for log_format in logs.FORMATS:
        text = written(log_format)
        log.info("%s", forged)
        lines = text.getvalue().splitlines()
        assert not any(line.startswith("2026-11-25T00:00:00.000Z ERROR") for line in lines)


def test_a_text_line_ends_with_its_fields(written: Callable[[str], io.StringIO]) -> None:
    text = written("text")
    with log_fields(job_id="j"):
        log.warning("slow")
    assert text.getvalue().endswith(" WARNING tests.logs: slow job_id=j\n")


@pytest.mark.parametrize("logger", ["celery.worker.consumer.consumer", "kombu.connection"])
def test_a_lost_broker_is_a_warning_without_a_traceback(logger: str, written: Callable[[str], io.StringIO]) -> None:
    text = written("json")
    shorten_broker_failures()
    for failure in (ConnectionRefusedError("refused"), RuntimeError("a bug")):
        try:
            raise failure
        except type(failure):
            logging.getLogger(logger).critical("Couldn't ack %s", 7, exc_info=True)
    lost, bug = map(json.loads, text.getvalue().splitlines())
    assert (lost["level"], lost["message"]) == ("WARNING", "Couldn't ack 7 (ConnectionRefusedError: refused)")
    assert "exception" not in lost
    assert bug["level"] == "CRITICAL"
    assert "RuntimeError: a bug" in bug["exception"]
