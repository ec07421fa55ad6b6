"""What `benchmarks/service.py` is made of, for tests: the store that it measures on, small, and its submits at once."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def load_benchmark(name: str) -> ModuleType:
    """The module of that name in `benchmarks`.

    By its path: other packages bring folders called `benchmarks` too, and that folder has a file called `service.py`.
    """
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def load_store() -> ModuleType:
    """The module `service_store`."""
    load_benchmark("service_answer")  # which that imports
    return load_benchmark("service_store")
