"""Pages by cursor: a page that is read while rows are added neither skips nor repeats one."""

from collections.abc import Sequence

from service.schemas.base import ItemT, Page


def page(items: Sequence[ItemT], limit: int) -> Page[ItemT]:
    """The page that `limit + 1` items make: the one too many only tells that there is a next page."""
    shown = list(items[:limit])
    return Page(items=shown, next=shown[-1].id if len(items) > limit else None)
