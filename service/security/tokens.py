"""The text of a key: how it is drawn, recognised, stored and compared.

A key is stored as its plain SHA-256. Slow hashes (scrypt, argon2) make the guessing of *passwords* dear, which people
choose from a small set; a key is 32 random bytes, and nobody can try 2²⁵⁶ of them at any speed. A slow hash would only
make every request slow. For the same reason nothing counts failed attempts.
"""

import hashlib
import hmac
import math
import secrets
from collections import Counter

MARK = "ldnas_"
"""What every drawn key begins with, so that scanners for leaked secrets can find it."""

SHORTEST_KEY = 32
"""Characters of a key that an operator brings along; `openssl rand -hex 32` gives 64."""

LEAST_BITS = 88.0
_SHOWN = 8
_RANDOM_BYTES = 32


def draw_key() -> str:
    """A new key: 256 random bits behind `ldnas_`."""
    return MARK + secrets.token_urlsafe(_RANDOM_BYTES)


def prefix_of(key: str) -> str:
    """The start of a key that may be shown: 8 characters, and the mark where it has that (48 of 256 bits)."""
    return key[: len(MARK) + _SHOWN] if key.startswith(MARK) else key[:_SHOWN]


def hash_of(secret: str) -> str:
    """The SHA-256 of a key or of a session's secret, in hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_secret_of(secret: str, stored_hash: str) -> bool:
    """Whether this is what was hashed; takes as long whatever differs."""
    return hmac.compare_digest(hash_of(secret), stored_hash)


def weakness_of(key: str) -> str | None:
    """Why a key that an operator brings along can be guessed, or None; the words do not repeat it.

    The bits are those of its characters' frequencies: an upper bound, which words and patterns pass. It is to catch a
    placeholder that was left standing, not to grade passwords.
    """
    if not all("!" <= character <= "~" for character in key):
        return "has characters other than printable ASCII without spaces"
    if len(key) < SHORTEST_KEY:
        return f"has {len(key)} characters, and {SHORTEST_KEY} is the least"
    if key in (key + key)[1:-1]:
        return "is a shorter text repeated"
    if _bits(key) < LEAST_BITS:
        return "has too few different characters"
    return None


def _bits(text: str) -> float:
    counts = Counter(text).values()
    return -sum(count * math.log2(count / len(text)) for count in counts)
