"""The text of a key: how it is drawn, how it is stored, and which texts of an operator are refused."""

import hashlib

import pytest

from service.api.security.tokens import draw_key, hash_of, is_secret_of, prefix_of, weakness_of
from worker.registry import Scope

HEX = "7eec91c49ba73ad94a98f13ecc1f69fdd0dbbc7deeb3d4bf0c3dd0c78677d3f0"


def test_a_drawn_key_is_recognised_by_its_start_and_keeps_the_rest() -> None:
    one, other = draw_key(), draw_key()
    assert one != other
    assert one.startswith(prefix_of(one))
    assert prefix_of(one) == one[:14]
    assert len(one) - len(prefix_of(one)) >= 32
    assert weakness_of(one) is None


def test_a_key_is_stored_as_its_sha_256() -> None:
    assert hash_of("abc") == hashlib.sha256(b"abc").hexdigest()
    assert is_secret_of("abc", hash_of("abc"))
    assert not is_secret_of("abd", hash_of("abc"))
    assert not is_secret_of("ä" * 40, hash_of("abc"))


@pytest.mark.parametrize("key", [HEX, HEX[:32], "o8ndouiKzl0hDu7XP6oXhJynTRSR8vjKcdpvMzr79u0"])
def test_random_keys_of_an_operator_are_accepted(key: str) -> None:
    assert weakness_of(key) is None
    assert len(key) - len(prefix_of(key)) >= 24


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "0 characters"),
        ("f3a9" * 7, "28 characters"),
        ("change-me-" * 4, "repeated"),
        ("a" * 64, "repeated"),
        ("a" * 63 + "b", "different"),
        (f"{HEX} {HEX[:8]}", "spaces"),
        ("ä" + HEX, "ASCII"),
    ],
)
def test_a_key_that_can_be_guessed_is_refused_in_words_that_do_not_repeat_it(key: str, reason: str) -> None:
    weakness = weakness_of(key)
    assert weakness is not None
    assert reason in weakness
    assert not key or key not in weakness


def test_each_scope_includes_the_ones_before() -> None:
    assert [[held.includes(needed) for needed in Scope] for held in Scope] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
