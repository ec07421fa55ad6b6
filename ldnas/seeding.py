"""One seed in, as many independent seeds out as there are random acts."""

import hashlib


def derive_seed(seed: int, *path: str | int) -> int:
    """A seed for one named random act, in [0, 2**63).

    Every draw of the project names itself (`derive_seed(seed, "iteration", 3, "candidates")`), so a
    computation that is resumed half-way repeats exactly the draws that an unbroken one would have made.
    """
    text = "/".join(str(part) for part in (seed, *path))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
