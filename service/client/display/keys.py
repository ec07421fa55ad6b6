"""Prints keys as a table on standard output."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_DAY = 86_400.0


def print_keys(keys: Sequence[Mapping[str, Any]], *, now: float, console: Console | None = None) -> None:
    """Prints one line for each key, with the first characters of its text.

    Args:
        keys: the keys; their times are seconds since the epoch.
        now: the current time on the same clock; a use within the last day is rounded to hours.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("name", "begins with", "scope", "quota", "created", "last used", "revoked"):
        table.add_column(column, overflow="fold")
    for key in keys:
        name = Text(key["name"], style="dim" if key["revoked_at"] else "bold")
        quota = "·" if key["quota"] is None else str(key["quota"])
        days = (_day(key["created_at"]), _last_use(key["last_used_at"], now), _day(key["revoked_at"]))
        table.add_row(name, Text(f"{key['prefix']}…"), key["scope"], quota, *days)
    (console or Console()).print(
        table if table.row_count else "no keys; create one with ldnas key create", markup=False
    )


def _day(moment: float | None) -> str:
    return "·" if moment is None else datetime.fromtimestamp(moment, UTC).date().isoformat()


def _last_use(moment: float | None, now: float) -> str:
    if moment is None:
        return "never"
    if now - moment < _DAY:
        hours = int(max(0.0, now - moment) // 3600)
        return f"{hours} h ago" if hours else "within the hour"
    return _day(moment)
