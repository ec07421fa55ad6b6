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
    with pytest.raises(InvalidMappingError, match='write the text "1" for the name, "#1" for the index'):
        assign(LabelMapping(((1,), (0,))), ("1", "2", "3"))


@pytest.mark.parametrize(
    ("names", "label", "index"),
    [
        (("1", "2", "10"), "10", 2),
        (("1", "2", "10"), "1", 0),
        (("1", "2", "10"), "#1", 1),
        (("001", "002", "003"), "001", 0),
        (("001", "1", "#0"), "1", 1),
        (("001", "1", "#0"), "#0", 2),
        (("black", "black, white"), "black, white", 1),
        (DIGITS, "3", 3),
        (DIGITS, "03", 3),  # these classes have no names of their own
        (("cafe\u0301", "tea"), "caf\u00e9", 0),  # an accent of its own, and the letter with the accent
    ],
)
def test_a_text_is_a_class_name_first_and_an_index_where_it_says_so(names, label, index):
    assert assign(LabelMapping(((label,),), rest=True), names)[index] == 0


@pytest.mark.parametrize(
    ("names", "label"), [(("1", "2", "10"), "0"), (("001", "002"), "1"), (ANIMALS, "0"), (DIGITS, "#10")]
)
def test_a_text_that_no_class_is_called_is_refused_with_the_ways_to_write_a_class(names, label):
    with pytest.raises(UnknownLabelError) as refusal:
        assign(LabelMapping(((label,),), rest=True), names)
    assert f"no label {label!r}; it has 0 = {names[0]!r}" in refusal.value.message
    assert f"its index as #{len(names) - 1}" in refusal.value.message
    assert "quotes" not in refusal.value.message


def test_the_refusal_of_a_label_says_how_to_write_a_name_with_a_comma():
    with pytest.raises(UnknownLabelError, match="in double quotes where it has a comma"):
        assign(LabelMapping((("black", "white"),), rest=True), ("black, white", "grey"))


def test_the_rest_has_another_name_where_a_class_is_called_rest():
    assert class_names(LabelMapping((("rest",),), rest=True), ("a", "rest")) == ("rest", "other than rest")
    groups = LabelMapping((("rest",), ("other than rest",)), rest=True)
    assert class_names(groups, ("a", "other than rest", "rest"))[2] == "other than other than rest"
    assert class_names(LabelMapping((("a",),), rest=True), ("a", "rest")) == ("a", "rest")


def test_two_groups_whose_joined_names_are_equal_are_refused():
    with pytest.raises(InvalidMappingError, match=r"'a\|b', as that of labels.groups\[0\]") as refusal:
        class_names(LabelMapping((("a", "b"), ("a|b",))), ("a", "a|b", "b"))
    assert refusal.value.field == "labels.groups[1]"


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
