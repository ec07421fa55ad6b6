"""Keys as a table on standard output."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_DAY = 86_400.0


def print_keys(keys: Sequence[Mapping[str, Any]], *, now: float, console: Console | None = None) -> None:
    """One line for each key; of its text only the first characters are known.

    Args:
        keys: times in them are seconds since the epoch.
        now: the same clock; a use of the last day is told by the hour and no closer.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("name", "begins with", "scope", "quota", "made", "last used", "revoked"):
        table.add_column(column, overflow="fold")
    for key in keys:
        name = Text(key["name"], style="dim" if key["revoked_at"] else "bold")
        quota = "·" if key["quota"] is None else str(key["quota"])
        days = (_day(key["created_at"]), _last_use(key["last_used_at"], now), _day(key["revoked_at"]))
        table.add_row(name, Text(f"{key['prefix']}…"), key["scope"], quota, *days)
    (console or Console()).print(table if table.row_count else "no keys; ldnas key create makes one", markup=False)


def _day(moment: float | None) -> str:
    return "·" if moment is None else datetime.fromtimestamp(moment, UTC).date().isoformat()


def _last_use(moment: float | None, now: float) -> str:
    if moment is None:
        return "never"
    if now - moment < _DAY:
        hours = int(max(0.0, now - moment) // 3600)
        return f"{hours} h ago" if hours else "within the hour"
    return _day(moment)
