"""The description of the network in every exported file: classes, preprocessing, design. Needs no torch."""

import json
from dataclasses import dataclass
from typing import Any

from ldnas.data.framing import Preprocessing
from ldnas.networks.design import CellDesign, Design

INPUT_NAME = "images"
OUTPUT_NAME = "logits"


# ONNX Runtime's table of compatible versions: https://onnxruntime.ai/docs/reference/compatibility.html
_RUNTIME_OF_OPSET = {14: "1.8", 15: "1.9", 16: "1.11", 17: "1.12", 18: "1.14"}


@dataclass(frozen=True)
class OnnxVersions:
    """The versions that an ONNX file requires: of the operator set and of the file format (IR)."""

    opset: int
    ir: int

    @property
    def runtime(self) -> str:
        """The first release of ONNX Runtime that reads such a file."""
        return _RUNTIME_OF_OPSET[self.opset]


@dataclass(frozen=True)
class NetworkDescription:
    """The facts about a network that its users need.

    Attributes:
        class_names: output i of the network stands for class i.
        preprocessing: of the images that the network was trained on.
        started_from: the source of its first weights; None for fresh ones, and where it is unknown.

    Raises:
        ValueError: the class names or the preprocessing do not belong to the design, or two classes have one name.
    """

    design: Design
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    started_from: str | None = None

    def __post_init__(self) -> None:
        if len(self.class_names) != self.design.classes:
            raise ValueError(f"{len(self.class_names)} class names for a head of {self.design.classes} classes")
        if len(set(self.class_names)) != len(self.class_names):
            raise ValueError(f"two classes have one name: {', '.join(self.class_names)}")
        if self.preprocessing.image_size != self.design.image_size:
            raise ValueError(
                f"images of {self.preprocessing.image_size} pixels for a network of {self.design.image_size} pixels"
            )

    @property
    def preprocessing_steps(self) -> tuple[str, ...]:
        """The steps from an image file to the network's input, one sentence each."""
        size = self.design.image_size
        value_range = self.preprocessing.value_range
        wide = (
            "grey of more than 8 bits a value is refused, because no training image had it"
            if value_range is None
            else f"limit grey of more than 8 bits to the values {value_range} and scale them to 0..255, rounded"
        )
        padded = " (a longer side of 28 to 31 pixels is padded to 32 instead)" if size == 32 else ""
        return (
            "Turn the image upright by its EXIF orientation.",
            f"Lay transparency over white; {wide}; make it RGB (grey: three equal channels).",
            "Centre it on a black square of its longer side.",
            f"Resize that to {size}×{size} pixels with antialiased bilinear interpolation (Pillow's BILINEAR){padded}.",
            f"Scale each value x of 0..255 to x / 127.5 - 1: float32 [N, 3, {size}, {size}] in [-1, 1].",
        )

    def metadata(self) -> dict[str, str]:
        """The metadata inside the files.

        The values are JSON, except the kind, the two sentences in plain words, and the source of the first weights.
        """
        return {
            "class_names": _json(list(self.class_names)),
            "preprocessing": _json(self.preprocessing.to_json()),
            "preprocessing_steps": " ".join(self.preprocessing_steps),
            "output": "logits [N, classes]; softmax over the classes gives their probabilities",
            "kind": self.design.kind.value,
            **_parts(self.design),
            **({} if self.started_from is None else {"started_from": self.started_from}),
        }


def _parts(design: Design) -> dict[str, str]:
    """The design in the metadata; a cell has the two entries that earlier releases wrote for it."""
    if isinstance(design, CellDesign):
        return {"genotype": _json(design.genotype.to_json()), "skeleton": _json(design.skeleton.to_json())}
    return {"design": _json(design.to_json())}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
