"""Content negotiation: chooses the offered media type that the client prefers (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence

from service.api.errors import NotAcceptableError


def negotiated(accept: str | None, offered: Sequence[str]) -> str:
    """The offered media type with the highest weight; among equal weights, the first one.

    Raises:
        NotAcceptableError: the client accepts none of the offered types.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_parse(part) for part in accept.split(",")]
    weights = {media_type: _weight(media_type, ranges) for media_type in offered}
    best = max(offered, key=lambda media_type: weights[media_type])
    if weights[best] <= 0:
        raise NotAcceptableError(f"Accept is {accept!r}; available: {', '.join(offered)}")
    return best


def _parse(part: str) -> tuple[str, float]:
    media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weight = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
    try:
        return media_range, float(weight)
    except ValueError:
        return media_range, 0.0


def _weight(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The weight of the most specific range that covers the type."""
    for covering in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        for media_range, weight in ranges:
            if media_range == covering:
                return weight
    return 0.0
