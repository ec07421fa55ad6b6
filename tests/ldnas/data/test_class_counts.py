"""The images of each class: of a task from those of its dataset, and the counts that a job refuses."""

import numpy as np
import pytest

from ldnas.data.class_counts import ClassCount, refusals, require_trainable, task_counts
from ldnas.data.dataset import Split
from ldnas.data.labels import LabelMapping
from ldnas.data.preprocessing import Preprocessing
from ldnas.data.task_data import task_data
from ldnas.errors import EmptySplitError, SingleClassError, TooFewImagesError

MAPPINGS = (
    None,
    LabelMapping((("c",), ("a", "b"))),
    LabelMapping((("a",),), rest=True),
    LabelMapping((("a",), ("b",)), rest=True, balance=True),
    LabelMapping((("c",), ("d",)), rest=True, balance=True),
)


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_the_counts_of_a_task_are_those_that_reading_its_images_finds(make_dataset, mapping):
    dataset = make_dataset([40, 20, 60, 300], "abcd")
    own = [
        ClassCount(name, *(int((dataset.labels[dataset.indices(split)] == index).sum()) for split in Split))
        for index, name in enumerate(dataset.class_names)
    ]
    data = task_data(dataset, mapping, Preprocessing(8))
    assert task_counts(mapping, own) == data.classes
    assert [count.train for count in data.classes] == np.bincount(data.train.labels.numpy()).tolist()


def test_every_reason_of_a_refusal_is_given_once_for_each_class():
    classes = [ClassCount("a", 1, 0, 0), ClassCount("b", 9, 0, 3), ClassCount("c", 9, 0, 0), ClassCount("d", 4, 0, 1)]
    assert [(type(refusal), refusal.message.partition(";")[0]) for refusal in refusals(classes)] == [
        (EmptySplitError, "the task has no validation image"),
        (TooFewImagesError, "class 'a' has 1 image"),
        (TooFewImagesError, "class 'c' has no test image"),
    ]
    with pytest.raises(EmptySplitError):
        require_trainable(classes)


def test_one_class_is_refused_and_two_with_images_everywhere_are_not():
    with pytest.raises(SingleClassError, match="the single class 'a'"):
        require_trainable([ClassCount("a", 7, 2, 2)])
    require_trainable([ClassCount("a", 3, 1, 1), ClassCount("b", 3, 1, 1)])
