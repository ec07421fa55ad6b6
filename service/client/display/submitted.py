"""A submission in words, before anything is trained: its classes, and its expected seconds."""

from collections.abc import Mapping
from typing import Any

from service.client.display.formats import one_line

CLASSES_SHOWN = 20


def classes_in_words(document: Mapping[str, Any]) -> str | None:
    """The classes of a task or of a recommendation's target with their images; None until they are known."""
    task = document.get("target") or document
    counts = task.get("class_counts")
    if not counts:
        return None
    shown = [f"{one_line(count['name'])} ({_images(_in_all(count))})" for count in counts[:CLASSES_SHOWN]]
    more = [f"{len(counts) - CLASSES_SHOWN} more"] if len(counts) > CLASSES_SHOWN else []
    return f"{len(counts)} classes: {', '.join([*shown, *more])}"


def expectation_in_words(document: Mapping[str, Any]) -> str | None:
    """The budget of a recommendation and how to change it; None for an answer without one."""
    expected = document.get("expected") or {}
    images, device = expected.get("images"), expected.get("device")
    work = (f" for {_images(images)}" if images else "") + (f" on {device}" if device else "")
    default = "the default, " if expected.get("is_default") else ""
    if expected.get("seconds") is not None:
        return f"expected: {expected['seconds']:g} s{work} once a worker begins ({default}--seconds changes it)"
    if expected.get("iterations") is not None:
        return (
            f"expected: at most {_iterations(expected['iterations'])}{work} ({default}--iterations changes it); the "
            "search forecasts its seconds, and --seconds limits them"
        )
    return None


def _in_all(count: Mapping[str, Any]) -> int:
    return sum(count[split] for split in ("train", "validation", "test"))


def _images(number: int) -> str:
    return f"{number:,} image{'' if number == 1 else 's'}"


def _iterations(number: int) -> str:
    return f"{number} iteration{'' if number == 1 else 's'}"
