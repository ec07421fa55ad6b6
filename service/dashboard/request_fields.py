"""The fields of the form for `POST /v1/recommendations`: limits, defaults and texts of the request's specification."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ldnas.data.reference import FORMATS
from ldnas.networks.design import Kind
from ldnas.networks.names import ARCHITECTURES
from worker.specification import RACE, FormText, RecommendationRequest, form_text

BY_HAND = frozenset({"dataset.uri", "labels.groups", "baselines", "candidates"})
"""Fields that are not single inputs: the form has a part of its own for each."""

SCALES = {"budget.seconds": 60}
"""Fields that the form shows in larger units than the request."""

_TEXT_CHOICES: dict[str, tuple[str, ...]] = {"network": ARCHITECTURES, "dataset.format": FORMATS}
_LARGEST_NAMED = 10**9  # a larger limit is not shown

KINDS: Mapping[Kind, str] = {
    Kind.CELL: "Cells that tasks have scored",
    Kind.PLAIN: "ResNet-18 and MobileNetV3-small, from fresh weights",
    Kind.PRETRAINED: "EfficientNet-Lite0, from ImageNet’s weights, and a network of your own",
}
"""Words for the kinds of networks in a race."""

CHOICES: Mapping[str | None, str] = {
    "accuracy": "Accuracy: each image counts the same",
    "balanced_accuracy": "Balanced accuracy: each class counts the same",
    "macro_f1": "Macro F1: misses and false alarms of each class",
    RACE: "race: several kinds of networks side by side, within minutes",
    "fuse": "fuse: all candidates in one mixture, the best fused step by step",
    "random": "random: the best of random cells",
    "random_sharing": "random sharing: random cells with shared weights",
    "enas": "enas: a controller that learns, with shared weights",
    "darts": "darts: architecture weights by gradient, first order",
    "darts_second_order": "darts, second order",
    "pc_darts": "pc-darts: the same on some of the channels",
    "evolution": "evolution: changes the best cells step by step",
    "known": "known: cells that tasks have scored, and neighbours of them",
    "primitives": "primitives: cells of the closest task's primitives",
    "full": "full: all cells",
    "log_det_layerwise": "log-det by layers",
    "log_det": "log-det",
    "logme": "LogME",
    "frechet": "Fréchet",
    "task2vec": "Task2Vec",
    "task2vec_asymmetric": "Task2Vec, asymmetric",
    "parquet": "Parquet",
    "image_folder": "a folder for each class",
    "zip": "a ZIP file of such folders",
    "tar": "a TAR file of such folders",
    "npz": "NumPy arrays (.npz)",
}
"""Words for the values of a choice that need an explanation, in the order in which the form offers them."""


@dataclass(frozen=True)
class RequestField:
    """One field of the request.

    Attributes:
        path: in the body, dotted.
        kind: `number`, `numbers` (with commas between them), `text`, `secret`, `choice` or `flag`.
        label: its name in the form.
        hint: its effect in one line, with its default and its limits.
        default: the schema's; None if the service chooses.
        choices: value and words of each, the default first, then in the order of `CHOICES`.
        scale: the request's units in one unit of the form: 60 for seconds that the form shows as minutes.
        has_text: whether the specification has a text for it.
    """

    path: str
    kind: str
    label: str
    hint: str
    default: Any
    choices: tuple[tuple[str, str], ...]
    scale: int
    has_text: bool

    @property
    def id(self) -> str:
        """The id of its input."""
        return self.path.replace(".", "-")


@cache
def request_fields() -> Mapping[str, RequestField]:
    """Returns every field with a single input, by its path, in the order of the schema."""
    schema = RecommendationRequest.model_json_schema()
    leaves = _leaves(schema, schema["$defs"], "")
    return {path: _field(path, leaf) for path, leaf in leaves if path not in BY_HAND}


def _leaves(schema: Mapping[str, Any], named: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields path and schema of every field that holds a value; follows references to objects."""
    for name, declared in schema["properties"].items():
        options = [option for option in declared.get("anyOf", [declared]) if option.get("type") != "null"]
        leaf = {**options[0], **{key: value for key, value in declared.items() if key not in ("anyOf", "$ref")}}
        reference = options[0].get("$ref")
        if reference is None:
            yield prefix + name, leaf
        else:
            yield from _leaves(named[reference.rpartition("/")[2]], named, f"{prefix}{name}.")


def _field(path: str, leaf: Mapping[str, Any]) -> RequestField:
    text = form_text(path)
    shown = text or FormText(leaf["title"], f"{leaf.get('description', '')}.".capitalize())
    default = leaf.get("default")
    values = tuple(leaf.get("enum") or _TEXT_CHOICES.get(path, ()))
    kind = "choice" if values else _kind(path, leaf["type"])
    bounds = [_limits(leaf, SCALES.get(path, 1)) if kind == "number" else "", _default(default, shown.empty, kind)]
    last = "; ".join(filter(None, bounds))
    return RequestField(
        path=path,
        kind=kind,
        label=shown.label,
        hint=" ".join(filter(None, [shown.effect, last and f"{last[:1].upper()}{last[1:]}."])),
        default=default,
        choices=_choices(values, default, shown.empty),
        scale=SCALES.get(path, 1),
        has_text=text is not None,
    )


def _kind(path: str, type: str) -> str:
    if type == "string":
        return "secret" if path.endswith("secret") else "text"
    return {"boolean": "flag", "array": "numbers"}.get(type, "number")


def _default(default: Any, without: str, kind: str) -> str:
    if kind == "choice":
        return ""  # the first choice is marked as the default
    if kind == "flag":
        return f"default: {'yes' if default else 'no'}"
    if default is not None:
        return f"default: {default:g}" if kind == "number" else f"default: {default}"
    return f"left empty: {without}" if without else ""


def _limits(leaf: Mapping[str, Any], scale: int) -> str:
    least, most = leaf.get("minimum"), leaf.get("maximum")
    if most is not None and abs(most) <= _LARGEST_NAMED:
        above = leaf.get("exclusiveMinimum")
        return f"{least:g} to {most:,}" if above is None else f"above {above:g}, to {most // scale:,}"
    if least is not None:
        return f"{least:g} or more"
    return f"above {leaf['exclusiveMinimum']:g}" if "exclusiveMinimum" in leaf else ""


def _choices(values: tuple[str, ...], default: str | None, without: str) -> tuple[tuple[str, str], ...]:
    """The default has the empty value, so that the request omits it."""
    if not values:
        return ()
    first = f"{CHOICES.get(default, default)} (default)" if default is not None else without
    places = {value: place for place, value in enumerate(CHOICES)}
    others = sorted((value for value in values if value != default), key=lambda value: places.get(value, len(places)))
    return (("", first), *((value, CHOICES.get(value, value)) for value in others))
