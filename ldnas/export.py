"""What leaves the service: a network's weights as safetensors, and its code as one file that needs only torch."""

import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import torch
from torch import nn

from ldnas.data.preprocessing import Preprocessing
from ldnas.space.genotype import EDGES, Genotype
from ldnas.space.skeleton import Skeleton

_DTYPE_NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}


def standalone_code(
    genotype: Genotype, skeleton: Skeleton, class_names: Sequence[str], preprocessing: Mapping[str, Any]
) -> str:
    """A readable Python file that rebuilds the network, reads its weights and images, and classifies them.

    It is `ldnas/export_template.py` with this network's constants; its `state_dict` has the keys of `CellNetwork`.
    It needs torch and Pillow, not ldnas.

    Args:
        preprocessing: what `Preprocessing.to_json` gave for the images that the network was trained on.

    Raises:
        ValueError: the class names or the preprocessing do not belong to the skeleton.
    """
    if len(class_names) != skeleton.classes:
        raise ValueError(f"{len(class_names)} class names for a head of {skeleton.classes} classes")
    expected = Preprocessing(skeleton.image_size).to_json()
    if dict(preprocessing) != expected:
        raise ValueError(f"the exported code does {expected}, not {dict(preprocessing)}")
    constants = {
        "CLASS_NAMES": _tuple_lines([repr(name) for name in class_names]),
        "IMAGE_SIZE": str(skeleton.image_size),
        "STAGES": _tuple_lines([f"({stage.channels}, {stage.cells})" for stage in skeleton.stages]),
        "EDGES": _tuple_lines(
            [f'({start}, {end}, "{name}")' for (start, end), name in zip(EDGES, genotype.primitives, strict=True)]
        ),
    }
    code = resources.files("ldnas").joinpath("export_template.py").read_text(encoding="utf-8")
    for name, value in constants.items():
        code = _replace_constant(code, name, value)
    return code


def save_weights(network: nn.Module, metadata: Mapping[str, str]) -> bytes:
    """The network's `state_dict` in the safetensors layout; equal weights and metadata give equal bytes.

    (The safetensors library orders metadata by chance, which would give one network many content addresses.)

    Raises:
        ValueError: a tensor's type is none of float32, float16, bfloat16 and int64.
    """
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    parts: list[bytes] = []
    offset = 0
    # Wide types first keeps every tensor aligned to its own size.
    tensors = sorted(network.state_dict().items(), key=lambda item: (-item[1].element_size(), item[0]))
    for name, tensor in tensors:
        if tensor.dtype not in _DTYPE_NAMES:
            raise ValueError(f"{name} is {tensor.dtype}; {', '.join(map(str, _DTYPE_NAMES))} can be saved")
        content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        header[name] = {
            "dtype": _DTYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(content)],
        }
        parts.append(content)
        offset += len(content)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def _tuple_lines(items: Sequence[str]) -> str:
    return "(\n" + "".join(f"    {item},\n" for item in items) + ")"


def _replace_constant(code: str, name: str, value: str) -> str:
    """Give the template's constant another value; its line there is `NAME: type = value`."""
    replaced, count = re.subn(rf"^({name}: [^=\n]+ = ).*$", lambda found: found[1] + value, code, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"the template has {count} lines for {name}, not one")
    return replaced
