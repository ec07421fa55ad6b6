"""Commands that run a module of this project in a process of its own."""

import sys


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command `python -P -m MODULE ARGUMENTS`.

    With `-P`, Python does not search the current folder for modules: a `queue.py`, `worker.py` or `service.py` there
    would hide the module of the same name.
    """
    return (sys.executable, "-P", "-m", module, *arguments)
