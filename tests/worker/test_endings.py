"""The pause after an infrastructure failure grows, and has a limit however often a job was attempted."""

from worker.queue.exit_codes import MAX_RETRY_DELAY_SECONDS, retry_delay


def test_the_delay_doubles_up_to_its_limit() -> None:
    assert [retry_delay(attempt) for attempt in range(1, 8)] == [1, 2, 4, 8, 16, 32, MAX_RETRY_DELAY_SECONDS]


def test_a_job_that_waited_for_hours_still_has_a_delay() -> None:
    assert retry_delay(100_000) == MAX_RETRY_DELAY_SECONDS
