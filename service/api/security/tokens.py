"""The text of a key: generates, recognises, hashes and compares keys.

A key is stored as its plain SHA-256. Slow hashes (scrypt, argon2) make guessing *passwords* expensive, which people
choose from a small set. A key is 32 random bytes, and 2²⁵⁶ of them cannot be tried at any speed, so a slow hash would
only make every request slow. For the same reason failed attempts are not counted.
"""

import hashlib
import hmac
import math
import secrets
from collections import Counter

MARK = "ldnas_"
"""The prefix of every generated key, so that scanners for leaked secrets can find it."""

SHORTEST_KEY = 32
"""Minimum characters of a key that an operator supplies; `openssl rand -hex 32` generates 64."""

LEAST_BITS = 88.0
_SHOWN = 8
_RANDOM_BYTES = 32


def draw_key() -> str:
    """A new key: `ldnas_` and 256 random bits."""
    return MARK + secrets.token_urlsafe(_RANDOM_BYTES)


def prefix_of(key: str) -> str:
    """The start of a key, which is not secret: 8 characters (48 of 256 bits), after the mark if it has one."""
    return key[: len(MARK) + _SHOWN] if key.startswith(MARK) else key[:_SHOWN]


def hash_of(secret: str) -> str:
    """The SHA-256 of a key or of a session's secret, in hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_secret_of(secret: str, stored_hash: str) -> bool:
    """Whether the secret has this hash; compares in constant time."""
    return hmac.compare_digest(hash_of(secret), stored_hash)


def weakness_of(key: str) -> str | None:
    """Why a key that an operator supplies can be guessed, or None; the text does not contain the key.

    The bits are the entropy of its character frequencies, an upper bound that words and patterns pass. The check is
    meant to find forgotten placeholders, not to grade passwords.
    """
    if not all("!" <= character <= "~" for character in key):
        return "has characters other than printable ASCII without spaces"
    if len(key) < SHORTEST_KEY:
        return f"has {len(key)} characters, fewer than the minimum of {SHORTEST_KEY}"
    if key in (key + key)[1:-1]:
        return "is a shorter text repeated"
    if _bits(key) < LEAST_BITS:
        return "has too few different characters"
    return None


def _bits(text: str) -> float:
    counts = Counter(text).values()
    return -sum(count * math.log2(count / len(text)) for count in counts)
