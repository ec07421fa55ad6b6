from collections import Counter

import pytest
import torch

from ldnas.data.dataset import Split, content_digest
from ldnas.data.labels import LabelMapping
from ldnas.data.preprocessing import PROXY, Preprocessing
from ldnas.data.task_data import ImageSet, task_data, test_images
from ldnas.errors import EmptySplitError, SingleClassError, TooFewImagesError, UnknownLabelError

SMALL = Preprocessing(8)
TRAIN, VALIDATION, TEST = Split


def numbers(images: ImageSet) -> list[int]:
    """The number of each image made by `grey`, where its side is the image size and nothing was resized."""
    return (images.images[:, 0, 0, 0].to(torch.int64) * 256 + images.images[:, 0, 0, 1]).tolist()


@pytest.fixture
def dataset(make_dataset, grey):
    sizes = [40, 20, 60, 300]
    return make_dataset(sizes, "abcd", images=[grey(number, 8, 8) for number in range(sum(sizes))])


def test_without_a_mapping_every_image_is_in_one_split_under_its_own_label(dataset):
    data = task_data(dataset, None, SMALL)
    test = test_images(dataset, None, SMALL)
    assert data.class_names == ("a", "b", "c", "d")
    assert (len(data.train), len(data.validation), len(test)) == (
        data.counts.train,
        data.counts.validation,
        data.counts.test,
    )
    assert sorted(numbers(data.train) + numbers(data.validation) + numbers(test)) == list(range(420))
    for images in (data.train, data.validation, test):
        assert images.images.dtype == torch.uint8
        assert images.labels.dtype == torch.int64
        assert images.labels.tolist() == [int(dataset.labels[number]) for number in numbers(images)]


def test_a_mapping_drops_joins_and_renumbers_classes(dataset):
    data = task_data(dataset, LabelMapping((("c",), ("a", "b"))), SMALL)
    assert data.class_names == ("c", "a|b")
    for number, label in zip(numbers(data.train), data.train.labels.tolist(), strict=True):
        assert label == {"a": 1, "b": 1, "c": 0}[dataset.class_names[dataset.labels[number]]]
    assert sum(vars(data.counts).values()) == 120


def test_every_task_of_a_dataset_shares_its_test_images(dataset):
    in_test = set(dataset.indices(TEST).tolist())
    for mapping in (None, LabelMapping((("a",),), rest=True), LabelMapping((("d",), ("b",)), rest=True, balance=True)):
        data, test = task_data(dataset, mapping, SMALL), test_images(dataset, mapping, SMALL)
        assert set(numbers(test)) <= in_test
        assert not in_test & {*numbers(data.train), *numbers(data.validation)}


def test_balance_cuts_the_rest_to_the_mean_of_the_others_in_each_split(dataset):
    plain = LabelMapping((("a",), ("b",)), rest=True)
    balanced = LabelMapping((("a",), ("b",)), rest=True, balance=True)
    before, after = task_data(dataset, plain, SMALL), task_data(dataset, balanced, SMALL)
    for full, cut in (
        (before.train, after.train),
        (before.validation, after.validation),
        (test_images(dataset, plain, SMALL), test_images(dataset, balanced, SMALL)),
    ):
        counts, left = Counter(full.labels.tolist()), Counter(cut.labels.tolist())
        assert (left[0], left[1]) == (counts[0], counts[1])
        assert left[2] == round((counts[0] + counts[1]) / 2) < counts[2]


def test_balance_keeps_the_rest_images_of_lowest_digest(dataset):
    balanced = LabelMapping((("a",), ("b",)), rest=True, balance=True)
    data = task_data(dataset, balanced, SMALL)
    kept = [number for number, label in zip(numbers(data.train), data.train.labels, strict=True) if label == 2]
    rest = [row for row in dataset.indices(TRAIN).tolist() if dataset.labels[row] >= 2]
    slow = sorted(rest, key=lambda row: content_digest(dataset.images[row]))[: len(kept)]
    assert kept == sorted(slow)
    assert numbers(task_data(dataset, balanced, SMALL).train) == numbers(data.train)


def test_a_rest_that_is_smaller_than_the_others_is_left_as_it_is(dataset):
    mapping = LabelMapping((("c",), ("d",)), rest=True, balance=True)
    labels = Counter(task_data(dataset, mapping, SMALL).train.labels.tolist())
    assert (
        labels[2]
        == Counter(dataset.labels[dataset.indices(TRAIN)].tolist())[0]
        + Counter(dataset.labels[dataset.indices(TRAIN)].tolist())[1]
    )


def test_each_digest_moves_alone(dataset, make_dataset, grey):
    base = task_data(dataset, None, SMALL).digests
    other_mapping = task_data(dataset, LabelMapping((("a",),), rest=True), SMALL).digests
    other_size = task_data(dataset, None, PROXY).digests
    other_data = make_dataset([40, 20, 60, 300], "abcd", images=[grey(number, 9, 8) for number in range(420)])
    assert (other_mapping.dataset, other_mapping.preprocessing) == (base.dataset, base.preprocessing)
    assert other_mapping.mapping != base.mapping
    assert (other_size.dataset, other_size.mapping) == (base.dataset, base.mapping)
    assert other_size.preprocessing != base.preprocessing
    changed = task_data(other_data, None, SMALL).digests
    assert (changed.mapping, changed.preprocessing) == (base.mapping, base.preprocessing)
    assert changed.dataset != base.dataset


def test_one_class_is_refused(make_dataset):
    with pytest.raises(SingleClassError):
        task_data(make_dataset([50]), None, SMALL)


def test_a_class_with_four_images_is_refused_and_with_five_accepted(make_dataset):
    with pytest.raises(TooFewImagesError, match="class '1' has 4 images"):
        task_data(make_dataset([50, 4]), None, SMALL)
    data = task_data(make_dataset([50, 5]), None, SMALL)
    assert Counter(data.train.labels.tolist())[1] == 3


def test_a_small_class_does_not_hinder_a_task_that_drops_or_joins_it(make_dataset):
    dataset = make_dataset([50, 2, 50])
    assert len(task_data(dataset, LabelMapping(((0,), (2,))), SMALL).class_names) == 2
    assert len(task_data(dataset, LabelMapping(((0,), (1, 2))), SMALL).class_names) == 2


def test_a_class_that_a_given_split_lacks_is_refused(make_dataset):
    given = [TRAIN] * 30 + [TEST] * 10 + [TRAIN] * 30
    with pytest.raises(TooFewImagesError, match="class '1' has no test image"):
        task_data(make_dataset([40, 30], given=given), None, SMALL)


def test_a_split_that_the_mapping_empties_is_refused(make_dataset):
    given = [TRAIN] * 20 + [VALIDATION] * 10 + [TRAIN] * 40 + [TEST] * 10
    dataset = make_dataset([30, 20, 30], given=given)
    with pytest.raises(EmptySplitError, match="no test image"):
        task_data(dataset, LabelMapping(((0,), (1,))), SMALL)
    with pytest.raises(EmptySplitError, match="no test image"):
        test_images(dataset, LabelMapping(((0,), (1,))), SMALL)


def test_an_unknown_label_is_refused(dataset):
    with pytest.raises(UnknownLabelError):
        task_data(dataset, LabelMapping((("a",), ("z",))), SMALL)


def test_a_subset_keeps_images_and_labels_together_in_the_order_asked(dataset):
    train = task_data(dataset, None, SMALL).train
    part = train.subset(torch.tensor([5, 0]))
    assert numbers(part) == [numbers(train)[5], numbers(train)[0]]
    assert part.labels.tolist() == [train.labels[5], train.labels[0]]
    assert len(part.to("cpu")) == 2
