"""Derives independent seeds for all random acts from one seed."""

import hashlib


def derive_seed(seed: int, *path: str | int) -> int:
    """A seed for one named random act, in [0, 2**63).

    Every draw of the project names itself (`derive_seed(seed, "iteration", 3, "candidates")`), so a
    resumed computation repeats exactly the draws of an uninterrupted one.
    """
    text = "/".join(str(part) for part in (seed, *path))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
