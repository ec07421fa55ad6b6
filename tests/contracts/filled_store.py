"""The store that `benchmarks/service.py` measures on, small."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def load_store() -> ModuleType:
    """The module `benchmarks/service_store.py`.

    By its path: other packages bring folders called `benchmarks` too, and that folder has a file called `service.py`.
    """
    for name in ("service_answer", "service_store"):
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
            assert spec is not None
            assert spec.loader is not None
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
    return sys.modules["service_store"]
