"""Prints predictions: a line for each image on standard output, and for each broken file on standard error."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console

from service.client.display.formats import one_line
from service.client.prediction.classify import Prediction
from service.client.prediction.images import BrokenFile

# Longer names do not widen the column.
_WIDEST_NAME = 48


@contextmanager
def predictions_shown(files: Sequence[Path], *, quiet: bool) -> Iterator[Callable[[Prediction | BrokenFile], None]]:
    """While open, yields a function that prints each outcome.

    Args:
        files: all images, for the width of the first column.
        quiet: print nothing on standard output.
    """
    output, errors = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)
    width = min(_WIDEST_NAME, max(cell_len(str(file)) for file in files))

    def show(outcome: Prediction | BrokenFile) -> None:
        if isinstance(outcome, BrokenFile):
            errors.print(f"ldnas: {one_line(outcome.message)}", markup=False, highlight=False)
        elif not quiet:
            name = str(outcome.path)
            classes = "   ".join(f"{probability:.3f} {one_line(label)}" for label, probability in outcome.classes)
            output.print(f"{name}{' ' * (width - cell_len(name))}  {classes}", markup=False, highlight=False)

    yield show
