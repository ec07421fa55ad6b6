import random
from collections import Counter, defaultdict

import pytest

from ldnas.data.dataset import Split
from ldnas.data.reference import Fractions
from ldnas.data.split import draw_split
from ldnas.errors import EmptySplitError

TRAIN, VALIDATION, TEST = Split

GOLDEN_TEST = [5, 6, 7]
GOLDEN_VALIDATION = [9, 13, 19]


def content(number: int) -> bytes:
    return f"image {number}".encode()


def draw(contents, labels=None, given=None, groups=None, fractions=None):
    count = len(contents)
    return draw_split(
        [content(number) for number in contents],
        labels or [0] * count,
        given or [None] * count,
        groups or [None] * count,
        fractions,
    )


@pytest.mark.parametrize("fractions", [None, Fractions(0.5, 0.3, 0.2)])
def test_every_class_is_split_by_the_shares(fractions):
    sizes = {0: 400, 1: 100, 2: 20}
    labels = [label for label, size in sizes.items() for _ in range(size)]
    drawn = draw(range(len(labels)), labels, fractions=fractions)
    shares = fractions or Fractions(0.7, 0.15, 0.15)
    counts = Counter(zip(labels, drawn.splits, strict=True))
    for label, size in sizes.items():
        assert counts[label, TRAIN] == pytest.approx(shares.train * size, abs=2)
        assert counts[label, VALIDATION] == pytest.approx(shares.validation * size, abs=2)
        assert counts[label, TEST] == pytest.approx(shares.test * size, abs=2)
    assert drawn.left_out == 0


def test_five_images_of_a_class_reach_all_three_splits():
    labels = [0] * 100 + [1] * 5
    splits = draw(range(105), labels).splits
    assert Counter(splits[100:]) == {TRAIN: 3, VALIDATION: 1, TEST: 1}


def test_classes_of_one_image_are_spread_over_the_splits():
    splits = draw(range(100), labels=list(range(100))).splits
    assert Counter(splits)[TRAIN] == pytest.approx(70, abs=2)
    assert Counter(splits)[VALIDATION] == pytest.approx(15, abs=2)


def test_the_split_follows_content_and_not_the_order_of_the_images():
    numbers = list(range(200))
    labels = [number % 3 for number in numbers]
    splits = dict(zip(numbers, draw(numbers, labels).splits, strict=True))
    shuffled = random.Random(1).sample(numbers, len(numbers))
    again = draw(shuffled, [number % 3 for number in shuffled]).splits
    assert dict(zip(shuffled, again, strict=True)) == splits


def test_the_split_is_the_one_that_it_always_was():
    # A changed constant or rule would let the test images of stored networks leak into training.
    splits = draw(range(20)).splits
    assert [number for number, split in enumerate(splits) if split is TEST] == GOLDEN_TEST
    assert [number for number, split in enumerate(splits) if split is VALIDATION] == GOLDEN_VALIDATION


def test_equal_images_stay_together_even_with_different_labels():
    numbers = [number // 3 for number in range(300)]
    labels = [number % 2 for number in range(300)]
    of_image = defaultdict(set)
    for number, split in zip(numbers, draw(numbers, labels).splits, strict=True):
        of_image[number].add(split)
    assert all(len(splits) == 1 for splits in of_image.values())


def test_a_group_never_spans_two_splits_and_all_splits_get_some():
    rng = random.Random(2)
    groups = [f"patient {rng.randrange(25)}" for _ in range(400)]
    labels = [rng.randrange(2) for _ in range(400)]
    splits = draw(range(400), labels, groups=groups).splits
    of_group = defaultdict(set)
    for group, split in zip(groups, splits, strict=True):
        of_group[group].add(split)
    assert all(len(splits) == 1 for splits in of_group.values())
    assert Counter(splits)[TRAIN] == pytest.approx(280, abs=30)


def test_groups_that_share_an_image_are_one():
    # a–b share image 0, b–c share image 1: three groups, one unit
    numbers = [0, 10, 0, 1, 1, 11, *range(20, 60)]
    groups = ["a", "a", "b", "b", "c", "c", *[None] * 40]
    assert len(set(draw(numbers, groups=groups).splits[:6])) == 1


def test_a_group_may_bear_the_name_of_a_content_without_being_it():
    groups = ["image 5", *[None] * 39]
    assert draw(range(40), groups=groups).splits == draw(range(40)).splits


def test_three_equal_groups_give_one_to_each_split():
    assert set(draw(range(30), groups=[str(number % 3) for number in range(30)]).splits) == {TRAIN, VALIDATION, TEST}


def test_a_given_test_split_is_kept_and_validation_drawn_from_the_rest():
    given = [TRAIN] * 170 + [TEST] * 30
    splits = draw(range(200), given=given).splits
    assert all((split is TEST) == (row >= 170) for row, split in enumerate(splits))
    assert Counter(splits)[VALIDATION] == pytest.approx(30, abs=1)  # 0.15 of 0.85


def test_a_given_validation_split_is_kept_and_the_test_split_drawn():
    given = [TRAIN] * 170 + [VALIDATION] * 30
    splits = draw(range(200), given=given).splits
    assert all((split is VALIDATION) == (row >= 170) for row, split in enumerate(splits))
    assert Counter(splits)[TEST] == pytest.approx(30, abs=1)


def test_three_given_splits_are_kept_as_they_are():
    given = [TRAIN, VALIDATION, TEST] * 10
    assert draw(range(30), given=given).splits == tuple(given)


def test_images_that_equal_a_given_test_image_are_left_out_and_counted():
    numbers = [*range(40), *range(40, 50), 0, 0, 45]  # three test images, two of them equal to train image 0
    given = [TRAIN] * 40 + [VALIDATION] * 10 + [TEST] * 3
    drawn = draw(numbers, given=given)
    assert drawn.splits[0] is None
    assert drawn.splits[45] is None
    assert drawn.splits[50:] == (TEST, TEST, TEST)
    assert drawn.left_out == 2


def test_a_group_that_reaches_into_the_given_test_split_is_left_out_elsewhere():
    groups = [*[None] * 30, "p", "p", "p"]
    given = [TRAIN] * 32 + [TEST]
    drawn = draw(range(33), given=given, groups=groups)
    assert drawn.splits[30:] == (None, None, TEST)
    assert drawn.left_out == 2


@pytest.mark.parametrize(
    ("count", "given", "empty"),
    [
        (2, None, "test"),
        (10, [TEST] * 10, "train"),
        (2, [TRAIN, TEST], "validation"),
        (0, None, "train"),
    ],
)
def test_a_split_without_images_is_refused_by_name(count, given, empty):
    with pytest.raises(EmptySplitError, match=f"leave {empty} empty"):
        draw(range(count), given=given)
