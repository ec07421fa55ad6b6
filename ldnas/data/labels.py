"""Label mappings: how a dataset's own classes become the classes of a task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ldnas.digests import json_digest
from ldnas.errors import InvalidMappingError, UnknownLabelError

Label = int | str

_LISTED_CLASSES = 20


@dataclass(frozen=True)
class LabelMapping:
    """Groups of labels, each of which is one class of the task, in this order.

    A label is a dataset's class index (an int) or its class name (a str). No mapping at all (`None` wherever one is
    taken) means the dataset's own classes.

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
    """The names of a task's classes: those of a group's labels, in the dataset's order, joined by `|`; then `rest`.

    Raises:
        UnknownLabelError, InvalidMappingError: as `assign`.
    """
    if mapping is None:
        return tuple(dataset_class_names)
    resolved = _resolve(mapping, dataset_class_names)
    names = tuple("|".join(dataset_class_names[index] for index in sorted(group)) for group in resolved)
    return (*names, "rest") if mapping.rest else names


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


def _resolve(mapping: LabelMapping, names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """The class indices of each group."""
    unknown = [label for group in mapping.groups for label in group if not _is_known(label, names)]
    if unknown:
        listed = ", ".join(f"{index} = {name!r}" for index, name in enumerate(names[:_LISTED_CLASSES]))
        more = f" and {len(names) - _LISTED_CLASSES} more" if len(names) > _LISTED_CLASSES else ""
        raise UnknownLabelError(
            f"the dataset has no label {', '.join(map(repr, unknown))}; it has {listed}{more}", field="labels.groups"
        )
    index_of = {name: index for index, name in enumerate(names)}
    seen: set[int] = set()
    resolved = []
    for position, group in enumerate(mapping.groups):
        field = f"labels.groups[{position}]"
        indices = tuple(_index(label, names, index_of, field) for label in group)
        for index in indices:
            if index in seen:
                raise InvalidMappingError(f"class {names[index]!r} is named twice, by index and by name", field=field)
            seen.add(index)
        resolved.append(indices)
    return tuple(resolved)


def _is_known(label: Label, names: Sequence[str]) -> bool:
    return 0 <= label < len(names) if isinstance(label, int) else label in names


def _index(label: Label, names: Sequence[str], index_of: Mapping[str, int], field: str) -> int:
    if isinstance(label, str):
        return index_of[label]
    if index_of.get(str(label), label) != label:
        raise InvalidMappingError(
            f"label {label} could mean the class with index {label} ({names[label]!r}) or the class named '{label}'; "
            "write a class name as text",
            field=field,
        )
    return label


def _read_group(value: Any, field: str) -> tuple[Label, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidMappingError("a group is a list of labels", field=field)
    for label in value:
        if isinstance(label, bool) or not isinstance(label, int | str):
            raise InvalidMappingError(
                f"{label!r} is not a label; a label is a class index or a class name", field=field
            )
    return tuple(value)
