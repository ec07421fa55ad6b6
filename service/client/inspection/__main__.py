"""The process that checks a file: `python -m service.client.inspection PATH NAME STATED`.

Prints lines of JSON: `{"seen": images}` from time to time, and finally `{"report": {…}}`.
"""

import json
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path

from ldnas.data.reference import DatasetReference
from service.client.inspection.inspect import inspect_file

# The limit of `service.api.uploads.check`: decoders are written in C++, and a file can make one use all memory.
MEMORY_BYTES = 8 * 2**30
SECONDS_BETWEEN = 0.1


def main() -> None:
    """Entry point of the process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    path, name, stated = sys.argv[1:]
    last = 0.0

    def on_image(seen: int) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN:
            last = time.monotonic()
            print(json.dumps({"seen": seen}), flush=True)

    reference = DatasetReference.from_json({"uri": "dataset://upload", **json.loads(stated)})
    print(json.dumps({"report": asdict(inspect_file(Path(path), reference, name, on_image))}), flush=True)


if __name__ == "__main__":
    main()
