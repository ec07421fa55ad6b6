import pytest

from ldnas.data.labels import LabelMapping, assign, class_names, mapping_digest
from ldnas.errors import InvalidMappingError, UnknownLabelError

DIGITS = tuple(str(digit) for digit in range(10))
ANIMALS = ("ant", "bee", "cat", "dog")


def test_groups_become_classes_in_their_order_and_other_labels_are_dropped():
    mapping = LabelMapping(((2,), (7, 6)))
    assert assign(mapping, DIGITS) == {2: 0, 6: 1, 7: 1}
    assert class_names(mapping, DIGITS) == ("2", "6|7")


def test_the_rest_is_one_more_class_of_all_other_labels():
    mapping = LabelMapping((("cat",),), rest=True)
    assert assign(mapping, ANIMALS) == {0: 1, 1: 1, 2: 0, 3: 1}
    assert class_names(mapping, ANIMALS) == ("cat", "rest")


def test_no_mapping_means_the_datasets_own_classes():
    assert assign(None, ANIMALS) == {0: 0, 1: 1, 2: 2, 3: 3}
    assert class_names(None, ANIMALS) == ANIMALS


def test_a_mapping_survives_its_json_form():
    value = {"groups": [[2], [6, "7"]], "rest": True, "balance": True}
    assert LabelMapping.from_json(value).to_json() == value
    assert LabelMapping.from_json({"groups": [[1], [2]]}) == LabelMapping(((1,), (2,)))


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ([[1], [2]], "labels"),
        ({}, "labels.groups"),
        ({"groups": "12"}, "labels.groups"),
        ({"groups": []}, "labels.groups"),
        ({"groups": [[1]]}, "labels.groups"),
        ({"groups": [[1], []]}, "labels.groups[1]"),
        ({"groups": [[1], "2"]}, "labels.groups[1]"),
        ({"groups": [[1], [2, 1]]}, "labels.groups[1]"),
        ({"groups": [[1], [True]]}, "labels.groups[1]"),
        ({"groups": [[1.0], [2]]}, "labels.groups[0]"),
        ({"groups": [[1], [2]], "rest": 1}, "labels.rest"),
        ({"groups": [[1], [2]], "balance": True}, "labels.balance"),
        ({"groups": [[1], [2]], "others": True}, "labels.others"),
    ],
)
def test_an_impossible_mapping_is_refused_and_the_place_named(value, field):
    with pytest.raises(InvalidMappingError) as refusal:
        LabelMapping.from_json(value)
    assert refusal.value.field == field


def test_unknown_labels_are_named_and_the_first_twenty_known_ones_listed():
    names = tuple(f"class{index:02}" for index in range(30))
    with pytest.raises(UnknownLabelError) as refusal:
        assign(LabelMapping(((0, 30), (-1, "eel"))), names)
    assert "no label 30, -1, 'eel'" in refusal.value.message
    assert "19 = 'class19' and 10 more" in refusal.value.message
    assert "class20" not in refusal.value.message


def test_a_class_named_by_index_and_by_name_is_named_twice():
    with pytest.raises(InvalidMappingError) as refusal:
        assign(LabelMapping((("ant",), ("bee", 0))), ANIMALS)
    assert refusal.value.field == "labels.groups[1]"


def test_an_index_that_is_also_the_name_of_another_class_is_refused():
    with pytest.raises(InvalidMappingError, match="write a class name as text"):
        assign(LabelMapping(((1,), (0,))), ("1", "2", "3"))
    assert assign(LabelMapping((("1",), ("2",))), ("1", "2", "3")) == {0: 0, 1: 1}


def test_a_rest_without_labels_is_refused():
    with pytest.raises(InvalidMappingError) as refusal:
        assign(LabelMapping(((0, 1), (2, 3)), rest=True), ANIMALS)
    assert refusal.value.field == "labels.rest"


def test_mappings_that_mean_the_same_have_one_digest():
    assert mapping_digest(LabelMapping(((2,), (6, 7))), DIGITS) == mapping_digest(
        LabelMapping((("2",), ("7", 6))), DIGITS
    )
    assert mapping_digest(None, ANIMALS) == mapping_digest(LabelMapping(((0,), (1,), (2,), (3,))), ANIMALS)
    assert mapping_digest(LabelMapping(((0,), (1,)), rest=True), ANIMALS) == mapping_digest(
        LabelMapping(((0,), (1,), (2, 3))), ANIMALS
    )


def test_mappings_that_differ_have_different_digests():
    mappings = [
        None,
        LabelMapping(((2,), (6, 7))),
        LabelMapping(((6, 7), (2,))),
        LabelMapping(((2,), (6,), (7,))),
        LabelMapping(((2,), (6, 7)), rest=True),
        LabelMapping(((2,), (6, 7)), rest=True, balance=True),
    ]
    assert len({mapping_digest(mapping, DIGITS) for mapping in mappings}) == len(mappings)


def test_a_refusal_can_be_sent_though_the_request_holds_half_a_surrogate_pair():
    with pytest.raises(InvalidMappingError) as refusal:
        LabelMapping.from_json({"\ud800": 1, "groups": []})
    assert refusal.value.field == "labels.\\ud800"
