"""Label mappings: how a dataset's own classes become the classes of a task."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

from ldnas.digests import json_digest
from ldnas.errors import InvalidMappingError, UnknownLabelError

Label = int | str

REST = "rest"

_LISTED_CLASSES = 20
_EXPLICIT_INDEX = re.compile(r"#([0-9]+)")
_INDEX = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class LabelMapping:
    """Groups of labels, each of which is one class of the task, in this order.

    An int is a class index of the dataset. A text is a class name, whatever it looks like: `001` and `1` are two names.
    A text that no class is called is a class index if it says so (`#2`), or if it is a number and the dataset has no
    names of its own, so that its classes are called 0, 1, 2, … No mapping at all (`None` wherever one is taken) means
    the dataset's own classes.

    Attributes:
        groups: the labels of each class.
        rest: whether the labels outside all groups form one more, last class; otherwise their images are dropped.
        balance: whether the rest class is cut, within each split, to the mean size of the other classes.

    Raises:
        InvalidMappingError: no group, an empty group, a label named twice, a single group without a rest, or balance
            without a rest.
    """

    groups: tuple[tuple[Label, ...], ...]
    rest: bool = False
    balance: bool = False

    def __post_init__(self) -> None:
        if not self.groups:
            raise InvalidMappingError("a mapping needs at least one group of labels", field="labels.groups")
        seen: set[Label] = set()
        for position, group in enumerate(self.groups):
            field = f"labels.groups[{position}]"
            if not group:
                raise InvalidMappingError("a group needs at least one label", field=field)
            for label in group:
                if label in seen:
                    raise InvalidMappingError(f"label {label!r} is named twice", field=field)
                seen.add(label)
        if len(self.groups) == 1 and not self.rest:
            raise InvalidMappingError(
                "one group is one class; add a second group, or set rest to true", field="labels.groups"
            )
        if self.balance and not self.rest:
            raise InvalidMappingError("balance cuts the rest class; it needs rest to be true", field="labels.balance")

    @classmethod
    def from_json(cls, value: Any) -> "LabelMapping":
        """Read `{"groups": [[2], [6, 7]], "rest": true, "balance": false}`.

        Raises:
            InvalidMappingError: it has another shape, or cannot be a mapping (see the class).
        """
        if not isinstance(value, Mapping):
            raise InvalidMappingError("labels are an object with `groups`", field="labels")
        unknown = sorted(set(map(str, value)) - {"groups", "rest", "balance"})
        if unknown:
            raise InvalidMappingError(
                f"{unknown[0]!r} is not a key of labels; the keys are groups, rest, balance",
                field=f"labels.{unknown[0]}",
            )
        groups = value.get("groups")
        if not isinstance(groups, list | tuple):
            raise InvalidMappingError("groups are a list of lists of labels", field="labels.groups")
        for key in ("rest", "balance"):
            if not isinstance(value.get(key, False), bool):
                raise InvalidMappingError(f"{key} is true or false", field=f"labels.{key}")
        return cls(
            groups=tuple(_read_group(group, f"labels.groups[{position}]") for position, group in enumerate(groups)),
            rest=value.get("rest", False),
            balance=value.get("balance", False),
        )

    @property
    def rest_class(self) -> int:
        """The class index of the rest class, if the mapping has one: the last index."""
        return len(self.groups)

    def to_json(self) -> dict[str, Any]:
        return {"groups": [list(group) for group in self.groups], "rest": self.rest, "balance": self.balance}


def class_names(mapping: LabelMapping | None, dataset_class_names: Sequence[str]) -> tuple[str, ...]:
    """The names of a task's classes, each different: those of a group's labels, in the dataset's order, joined by `|`.

    The class of all other labels comes last. It is called `rest`, and `other than rest` where a group has that name.

    Raises:
        UnknownLabelError: see `assign`.
        InvalidMappingError: see `assign`; or two groups have the same name, as `a` with `b`, and a class `a|b`.
    """
    if mapping is None:
        return tuple(dataset_class_names)
    resolved = _resolve(mapping, dataset_class_names)
    names = tuple("|".join(dataset_class_names[index] for index in sorted(group)) for group in resolved)
    for position, name in enumerate(names):
        if (first := names.index(name)) != position:
            raise InvalidMappingError(
                f"this class would be called {name!r}, as that of labels.groups[{first}]; the classes of a task have "
                "different names",
                field=f"labels.groups[{position}]",
            )
    return (*names, _rest_name(names)) if mapping.rest else names


def assign(mapping: LabelMapping | None, class_names: Sequence[str]) -> dict[int, int]:
    """The task's class index of each of the dataset's class indices; a class that is dropped is absent.

    Raises:
        UnknownLabelError: a label is not one of the dataset's.
        InvalidMappingError: an index and a name mean the same class, an index could be taken for the name of another
            class, or no class is left for the rest.
    """
    if mapping is None:
        return {index: index for index in range(len(class_names))}
    groups = _resolve(mapping, class_names)
    assignment = {index: position for position, group in enumerate(groups) for index in group}
    if mapping.rest:
        others = set(range(len(class_names))) - assignment.keys()
        if not others:
            raise InvalidMappingError("the groups name every label; none is left for the rest", field="labels.rest")
        assignment |= dict.fromkeys(others, mapping.rest_class)
    return dict(sorted(assignment.items()))


def mapping_digest(mapping: LabelMapping | None, class_names: Sequence[str]) -> str:
    """SHA-256 of a mapping's effect: the class that each of the dataset's classes becomes, and the class that is cut.

    It is taken over class indices, so mappings that mean the same are equal however they are written; no mapping
    equals one group for each class.

    Raises:
        UnknownLabelError, InvalidMappingError: as `assign`.
    """
    assignment = sorted(assign(mapping, class_names).items())
    cut = mapping.rest_class if mapping is not None and mapping.balance else None
    return json_digest({"assignment": assignment, "cut": cut})


def _rest_name(names: Sequence[str]) -> str:
    name = REST
    while name in names:
        name = f"other than {name}"
    return name


def _resolve(mapping: LabelMapping, names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """The class indices of each group."""
    index_of = {normalize("NFC", name): index for index, name in enumerate(names)}
    unknown: list[Label] = []
    seen: set[int] = set()
    resolved = []
    for position, group in enumerate(mapping.groups):
        field = f"labels.groups[{position}]"
        indices = []
        for label in group:
            index = _index(label, names, index_of, field)
            if index is None:
                unknown.append(label)
                continue
            if index in seen:
                raise InvalidMappingError(f"class {names[index]!r} is named twice", field=field)
            seen.add(index)
            indices.append(index)
        resolved.append(tuple(indices))
    if unknown:
        raise UnknownLabelError(_no_label(unknown, names), field="labels.groups")
    return tuple(resolved)


def _index(label: Label, names: Sequence[str], index_of: Mapping[str, int], field: str) -> int | None:
    """The class index of a label, None where the dataset does not have it."""
    if isinstance(label, str):
        # Programs differ in how they compose an accented letter; readers and users see one letter.
        named = index_of.get(normalize("NFC", label))
        index = _written_index(label, names) if named is None else named
    else:
        index = label
        if 0 <= label < len(names) and index_of.get(str(label), label) != label:
            raise InvalidMappingError(
                f"label {label} could mean the class with index {label} ({names[label]!r}) or the class named "
                f'\'{label}\'; write the text "{label}" for the name, "#{label}" for the index',
                field=field,
            )
    return index if index is not None and 0 <= index < len(names) else None


def _written_index(text: str, names: Sequence[str]) -> int | None:
    """The class index that a text means which is not a class name: `#2`, or `2` where the dataset has no names."""
    if explicit := _EXPLICIT_INDEX.fullmatch(text):
        return int(explicit[1])
    has_names = any(name != str(index) for index, name in enumerate(names))
    return int(text) if _INDEX.fullmatch(text) and not has_names else None


def _no_label(unknown: Sequence[Label], names: Sequence[str]) -> str:
    """The refusal of labels that the dataset does not have, with its classes and the ways to write one."""
    listed = ", ".join(f"{index} = {name!r}" for index, name in enumerate(names[:_LISTED_CLASSES]))
    more = f" and {len(names) - _LISTED_CLASSES} more" if len(names) > _LISTED_CLASSES else ""
    quotes = ", in double quotes where it has a comma" if any("," in name for name in names) else ""
    return (
        f"the dataset has no label {', '.join(map(repr, unknown))}; it has {listed}{more}; write the name of a "
        f"class{quotes}, or its index as #{len(names) - 1}"
    )


def _read_group(value: Any, field: str) -> tuple[Label, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidMappingError("a group is a list of labels", field=field)
    for label in value:
        if isinstance(label, bool) or not isinstance(label, int | str):
            raise InvalidMappingError(
                f"{label!r} is not a label; a label is a class index or a class name", field=field
            )
    return tuple(value)
