"""The paper's program in a Python that has only torch, torchvision and pyarrow, and what these need themselves."""

import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import packages_distributions

NEEDED = {"torch", "torchgen", "functorch", "torchvision", "pyarrow", "numpy", "PIL"}
OF_TORCH = {"typing_extensions", "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "filelock", "fsspec"}
OF_TORCH |= {"setuptools", "cuda", "nvidia", "triton"}

_PROGRAM = """
import runpy, sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in ABSENT else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
import benchmarks.paper.running
for options in RUNS:
    sys.argv = ["paper", *options]
    runpy.run_module("benchmarks.paper", run_name="__main__")
"""


def run_alone(*runs: Sequence[str]) -> str:
    """Imports all runners, then runs the program once with each list of options; gives what it printed.

    Raises:
        subprocess.CalledProcessError: it failed, as it does where it imports anything else that is installed.
    """
    absent = {*packages_distributions(), "service", "worker"} - NEEDED - OF_TORCH - {"ldnas", "benchmarks"}
    program = f"ABSENT, RUNS = {absent!r}, {[list(options) for options in runs]!r}\n{_PROGRAM}"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=True, timeout=240, stdout=subprocess.PIPE, text=True).stdout
