"""Which images are wrong, and in which order."""

from ldnas.wrong_images import most_confident_errors


def test_the_most_confident_errors_come_first_and_equally_confident_ones_in_order() -> None:
    labels, predictions = [0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1]
    assert most_confident_errors(labels, predictions, [0.9, 0.6, 0.8, 0.9, 0.6, 0.7]) == [2, 5, 1, 4]
    assert most_confident_errors(labels, predictions) == [1, 2, 4, 5]
    assert most_confident_errors(labels, labels, [0.5] * 6) == []
