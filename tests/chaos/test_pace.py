"""The times of a run of chaos leave each part of the service the room that it needs before it can act at all."""

import pytest

from tests.chaos.pace import FULL, SHORT, Pace, real_pace


@pytest.mark.parametrize("pace", [SHORT, FULL, real_pace(0.5), real_pace(4.0), real_pace(20.0)])
def test_a_lost_job_is_distinguished_from_a_slow_one(pace: Pace) -> None:
    """A job may lose its lease, and then its attempt stall, and still end in time."""
    assert pace.patience > pace.lease + pace.stall
    assert pace.patience > 4 * pace.lease, "a worker may be frozen for so long"
    assert pace.longest_delay < pace.patience


@pytest.mark.parametrize("imports", [0.5, 4.0, 20.0])
def test_a_runner_that_imports_three_times_as_long_as_measured_is_not_taken_for_one_that_stands_still(
    imports: float,
) -> None:
    assert real_pace(imports).stall > 3 * imports
