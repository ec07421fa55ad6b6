"""Content keys: equal digests mean equal content, in this process and in every other."""

import hashlib
import json
from typing import Any


def json_digest(value: Any) -> str:
    """SHA-256, in hexadecimal, of a JSON value in its canonical form (sorted keys, no spaces)."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
