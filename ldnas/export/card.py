"""The model card: the network, its measured accuracy, and its limits.

After Mitchell et al., Model Cards for Model Reporting (arXiv 1810.03993). Needs no torch.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ldnas.export.description import INPUT_NAME, OUTPUT_NAME, NetworkDescription, OnnxVersions
from ldnas.networks.design import RESNET18, CellDesign, Design, PlainDesign, PretrainedDesign

# The card names every class with fewer training images than this.
FEW_IMAGES = 50


@dataclass(frozen=True)
class CardFacts:
    """The facts about a network that its description does not hold.

    Attributes:
        name: the network's name.
        data: `uri`, `labels` (the mapping, or None), `train`, `validation`, `test` (images), `digests`.
        class_counts: training images of each class, in the order of the class names.
        validation: `accuracy` and `balanced_accuracy`, fractions in [0, 1].
        test: `accuracy`, `interval` (95 % Wilson over images), `balanced_accuracy`, and where known `recall` (of each
            class) and `macro_f1`; fractions in [0, 1].
        parameters: of the network.
        macs: multiply-adds for one image.
        onnx: the versions that the ONNX file requires.
        provenance: the network's origin as name → value, in the order of the card.
    """

    name: str
    data: Mapping[str, Any]
    class_counts: Sequence[int]
    validation: Mapping[str, Any]
    test: Mapping[str, Any]
    parameters: int
    macs: int
    onnx: OnnxVersions
    provenance: Mapping[str, str] = field(default_factory=dict)


def model_card(description: NetworkDescription, facts: CardFacts) -> str:
    """The card as Markdown; equal facts give equal text."""
    design = description.design
    size = design.image_size
    sections = (
        f"# {_escaped(facts.name)}",
        f"An image classifier for {design.classes} classes, from colour or grey images at {size}×{size} pixels. "
        f"{_origin(design)} It has {facts.parameters:,} parameters and does {facts.macs:,} multiply-adds "
        "for one image.",
        *_section("Accuracy", _accuracy(facts)),
        *_section("Limits", _bullets(_limits(description, facts))),
        *_section("Classes", _classes(description, facts)),
        *_section("Data", _data(facts.data)),
        *_section("Preprocessing", _steps(description)),
        *_section("How to use the files", _usage(design, facts.onnx)),
        *_section("Provenance", _bullets([f"{what}: {_code(value)}" for what, value in facts.provenance.items()])),
    )
    return "\n\n".join(sections) + "\n"


def _origin(design: Design) -> str:
    match design:
        case CellDesign():
            return "Its cell was found by architecture search."
        case PlainDesign() if design.name == RESNET18:
            channels = "1 channel" if design.width == 1 else f"{design.width} channels"
            return f"It is a ResNet-18 whose first stage has {channels}, trained from fresh weights."
        case PlainDesign():
            return f"It is a MobileNetV3-small with {design.width:g} times its channels, trained from fresh weights."
        case _:
            weights = "weights from ImageNet" if design.weights is None else "given weights"
            network = f"{design.library}'s {_code(design.name_in_library)}"
            return f"It is {network}, which began with {weights} and was tuned on the data."


def _section(title: str, body: str) -> tuple[str, str]:
    return f"## {title}", body


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _accuracy(facts: CardFacts) -> str:
    test, validation = facts.test, facts.validation
    low, high = test["interval"]
    rows = [
        ("test accuracy", f"{_percent(test['accuracy'])} (95 % interval {_percent(low)} to {_percent(high)})"),
        ("test balanced accuracy", _percent(test["balanced_accuracy"])),
        *([("test macro F1", _percent(test["macro_f1"]))] if test.get("macro_f1") is not None else []),
        ("validation accuracy", _percent(validation["accuracy"])),
        ("validation balanced accuracy", _percent(validation["balanced_accuracy"])),
    ]
    note = (
        f"Measured once, on {facts.data['test']:,} test images that neither the search nor the training had read. The "
        "interval is over images (Wilson): it shows how far chance alone may have moved the figure, and holds for "
        "images drawn like these. Validation images chose the network, so their figures flatter it."
    )
    return _table(("measure", "value"), rows) + "\n\n" + note


def _limits(description: NetworkDescription, facts: CardFacts) -> list[str]:
    size = description.design.image_size
    low, high = facts.test["interval"]
    few = [
        f"{_escaped(name)} ({count})"
        for name, count in zip(description.class_names, facts.class_counts, strict=True)
        if count < FEW_IMAGES
    ]
    weakest = _weakest(description, facts.test.get("recall"))
    lines = [
        "It always answers with one of its classes, also for an image that shows none of them.",
        "The figures hold for images like those of its data: of the same source, the same kind of camera, the same "
        "selection. They say nothing of others.",
        "Its probabilities are not calibrated: 0.9 does not mean right nine times in ten.",
        f"Details smaller than what {size}×{size} pixels show are lost to it.",
        "It was not examined for fairness between groups of people, nor against images made to deceive it.",
    ]
    if isinstance(description.design, PretrainedDesign):
        images = "photographs of ImageNet" if description.design.weights is None else "images"
        lines.append(f"The {images}, with which its weights were first trained, have biases. It may keep them.")
    if high - low > 0.1:
        lines.insert(
            0, f"Little is known of its accuracy: with {facts.data['test']:,} test images the interval is wide."
        )
    if few:
        lines.insert(0, f"Classes with few training images: {', '.join(few)}.")
    if weakest:
        lines.insert(0, weakest)
    return lines


def _weakest(description: NetworkDescription, recall: Sequence[float | None] | None) -> str | None:
    """The class that is missed most often, where recall is known."""
    pairs = zip(recall or (), description.class_names, strict=False)
    known = [(value, name) for value, name in pairs if value is not None]
    if not known:
        return None
    value, name = min(known)
    return f"It is weakest at the class {_escaped(name)}: of its test images it finds {_percent(value)}."


def _classes(description: NetworkDescription, facts: CardFacts) -> str:
    recall = facts.test.get("recall")
    header = ["output", "class", "training images", *(["recall on test images"] if recall else [])]
    rows = []
    for index, (name, count) in enumerate(zip(description.class_names, facts.class_counts, strict=True)):
        known = [] if not recall else ["" if recall[index] is None else _percent(recall[index])]
        rows.append((str(index), _escaped(name), f"{count:,}", *known))
    return _table(header, rows)


def _data(data: Mapping[str, Any]) -> str:
    lines = [f"dataset: {_code(data['uri'])}"]
    if data.get("labels"):
        lines.append(f"labels: {_code(_labels(data['labels']))}")
    lines.append(f"images: {data['train']:,} training, {data['validation']:,} validation, {data['test']:,} test")
    lines += [f"SHA-256 of the {name}: {_code(digest)}" for name, digest in data["digests"].items()]
    return _bullets(lines)


def _labels(labels: Mapping[str, Any]) -> str:
    groups = [" ".join(map(str, group)) for group in labels["groups"]]
    rest = ["rest, balanced" if labels.get("balance") else "rest"] if labels.get("rest") else []
    return " | ".join(groups + rest)


def _steps(description: NetworkDescription) -> str:
    steps = "\n".join(f"{place}. {step}" for place, step in enumerate(description.preprocessing_steps, start=1))
    recipe = description.preprocessing.to_json()["recipe"]
    return f"{steps}\n\n`network.py` does all of it (recipe `{recipe}`); the other files take its result."


def _usage(design: Design, onnx: OnnxVersions) -> str:
    size = design.image_size
    packages = f"torch, {design.library} and Pillow" if isinstance(design, PretrainedDesign) else "torch and Pillow"
    return f"""- `network.py` with `weights.safetensors`: readable PyTorch that needs {packages}.

  ```
  python network.py weights.safetensors image.png
  ```

- `network.pt2`: the graph with its weights, for PyTorch without that code, and for AOTInductor. Load it with the
  release of torch that it was made with (see provenance) or a later one.

  ```python
  network = torch.export.load("network.pt2").module()
  logits = network({INPUT_NAME})  # float32 [N, 3, {size}, {size}] → [N, classes]
  ```

- `network.onnx`: for ONNX Runtime {onnx.runtime} or later, and others that read ONNX (opset {onnx.opset}, IR version
  {onnx.ir}).

  ```python
  session = onnxruntime.InferenceSession("network.onnx")
  (logits,) = session.run(["{OUTPUT_NAME}"], {{"{INPUT_NAME}": {INPUT_NAME}}})
  ```

All of them give logits; softmax makes them probabilities. The class names and the preprocessing are also in the
metadata of each file."""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _escaped(text: str) -> str:
    """Escape a class name so that Markdown shows it as written."""
    return "".join(
        f"\\{character}" if character in r"\`*_{}[]<>#|~" else character for character in " ".join(text.splitlines())
    )


def _code(text: str) -> str:
    """Put text between as many backticks as needed (CommonMark, section 6.1)."""
    runs = re.findall("`+", text)
    fence = "`" * (1 + max(map(len, runs), default=0))
    return f"{fence} {text} {fence}" if runs else f"{fence}{text}{fence}"
