"""Progress in a notebook: a bar below the cell, with only IPython (widgets need an extension)."""

import sys
import time
from collections.abc import Callable
from html import escape
from typing import Any

# Each update sends a message to the browser.
_SECONDS_BETWEEN = 0.2


def notebook_shell() -> Any | None:
    """IPython's shell in a notebook; None in a terminal and everywhere else."""
    ipython = sys.modules.get("IPython")  # a notebook has imported it; others need not import it
    shell = None if ipython is None else ipython.get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None


class NotebookBar:
    """One bar of a notebook.

    Args:
        label: text before the bar.
        clock: a monotonic clock in seconds.
    """

    def __init__(self, label: str, clock: Callable[[], float] = time.monotonic) -> None:
        from IPython.display import HTML, display  # type: ignore[import-not-found]

        self._html = HTML
        self._label = label
        self._clock = clock
        self._began = self._changed = clock()
        self._shown = self._drawn(None, "")
        self._handle = display(HTML(self._shown), display_id=True)

    def show(self, fraction: float | None, message: str, *, at_once: bool = False) -> None:
        """Redraws the bar, at most a few times per second.

        Args:
            fraction: fraction done, in [0, 1]; None if not known.
            message: text after the bar.
            at_once: redraw even if little time has passed.
        """
        now = self._clock()
        drawn = self._drawn(fraction, message)
        if drawn == self._shown or (now - self._changed < _SECONDS_BETWEEN and not at_once):
            return
        self._shown, self._changed = drawn, now
        self._handle.update(self._html(drawn))

    def _drawn(self, fraction: float | None, message: str) -> str:
        value = "" if fraction is None else f' value="{min(max(fraction, 0.0), 1.0):.3f}"'
        share = "" if fraction is None else f"{100 * fraction:.0f} % · "
        seconds = self._clock() - self._began
        text = escape(f"{share}{seconds:.0f} s" + (f" · {message}" if message else ""))
        return f'<div>{escape(self._label)} <progress max="1"{value}></progress> {text}</div>'
