"""The message names a job and nothing else."""

import pytest

from worker.errors import InvalidMessageError
from worker.queue.messages import JobMessage


def test_a_message_comes_back_as_it_was() -> None:
    message = JobMessage("0123456789abcdef" * 2)
    assert message.to_kwargs() == {"job_id": "0123456789abcdef" * 2}
    assert JobMessage.from_kwargs(message.to_kwargs()) == message


@pytest.mark.parametrize(
    "kwargs",
    [{}, {"job_id": None}, {"job_id": "1"}, {"job_id": "A" * 32}, {"job_id": "a" * 33}, {"job_id": "a" * 32, "x": 1}],
)
def test_anything_else_is_refused(kwargs: dict[str, object]) -> None:
    with pytest.raises(InvalidMessageError, match="job_id"):
        JobMessage.from_kwargs(kwargs)
