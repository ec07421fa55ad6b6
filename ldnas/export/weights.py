"""A network's weights in the safetensors layout."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

_DTYPE_NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}


def save_weights(network: nn.Module, metadata: Mapping[str, str]) -> bytes:
    """The network's `state_dict` in the safetensors layout; equal weights and metadata give equal bytes.

    (The safetensors library orders metadata randomly, which would give one network many content addresses.)

    Raises:
        ValueError: a tensor's type is not float32, float16, bfloat16 or int64.
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
