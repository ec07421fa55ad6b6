"""`python -m tests.chaos.trapped PART MODULE …`: runs a module as `python -m MODULE …` would, with the part's traps."""

import os
import runpy
import sys
from pathlib import Path

from tests.chaos.traps import Trigger


def command(part: str, module: str) -> list[str]:
    """The command that runs a module with the traps of a part."""
    return [sys.executable, "-m", "tests.chaos.trapped", part, module]


if __name__ == "__main__":
    part, module, *arguments = sys.argv[1:]
    Trigger(Path(os.environ["LDNAS_HOME"]), part).listen()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
