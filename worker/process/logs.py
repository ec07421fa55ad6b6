"""Log lines with the request and the job that they belong to, as JSON or as text.

Fields bound with `log_fields` are in every line logged inside, by any module, in that thread or task.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

FORMATS = ("text", "json")

_bound: ContextVar[dict[str, Any] | None] = ContextVar("log_fields", default=None)

_STANDARD = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message"})


@contextmanager
def log_fields(**fields: Any) -> Iterator[None]:
    """Add these fields to every line logged inside; None unbinds a field."""
    token = _bound.set({**bound_fields(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def bind(**fields: Any) -> None:
    """Add these fields to later lines too, until the enclosing `log_fields` ends, however it ends."""
    _bound.set({**bound_fields(), **fields})


def bound_fields() -> dict[str, Any]:
    """The fields bound at present."""
    return _bound.get() or {}


def configure_logging(log_format: str) -> None:
    """Make this process log to standard error in this format, including Python's warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for chatty in ("alembic", "httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class WithoutTracebacks(logging.Filter):
    """Shortens what libraries log about expected errors: a warning with the error's text in place of its traceback.

    Args:
        loggers: the names of the libraries' loggers; those below them are included.
        errors: the expected errors.
    """

    def __init__(self, loggers: tuple[str, ...], errors: tuple[type[BaseException], ...]) -> None:
        super().__init__()
        self._loggers = loggers
        self._errors = errors

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record where it is of these loggers and errors; it is logged in any case."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, self._errors) and record.name.partition(".")[0] in self._loggers:
            record.msg, record.args = f"{record.getMessage().strip()} ({type(error).__name__}: {error})", None
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object per line: `time` (RFC 3339, UTC), `level`, `logger`, `message`, and bound and given fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, Any] = {
            "time": _instant(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """For a person: time, level, logger, message, then the fields as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, followed by the lines of a traceback."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        # A line break in a message could forge a line.
        message = record.getMessage().replace("\r", "\\r").replace("\n", "\n    ")
        line = f"{_instant(record)} {record.levelname} {record.name}: {message}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {name: value for name, value in {**bound_fields(), **given}.items() if value is not None}


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
