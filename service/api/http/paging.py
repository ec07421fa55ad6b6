"""Pages by cursor: rows that are added between two pages cause no skipped or repeated row."""

from collections.abc import Sequence

from service.schemas.base import ItemT, Page


def page(items: Sequence[ItemT], limit: int) -> Page[ItemT]:
    """The page of up to `limit + 1` items: the extra item only shows that a next page exists."""
    shown = list(items[:limit])
    return Page(items=shown, next=shown[-1].id if len(items) > limit else None)
