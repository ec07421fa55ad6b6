"""Wilson's interval against figures worked out by hand."""

import pytest

from ldnas.intervals import wilson_interval


def test_nine_of_ten_has_the_published_interval() -> None:
    low, high = wilson_interval(0.9, 10)
    assert low == pytest.approx(0.5958, abs=1e-4)
    assert high == pytest.approx(0.9821, abs=1e-4)


def test_all_right_is_not_taken_for_certain() -> None:
    low, high = wilson_interval(1.0, 100)
    assert low == pytest.approx(100 / (100 + 1.96**2), abs=1e-4)
    assert high == 1.0
