"""Stores tensors in a JSON value, bit for bit, for the states that a search resumes from."""

import base64
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

_DTYPES = {"float32": torch.float32, "float64": torch.float64, "int64": torch.int64}


def tensors_to_json(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Named tensors as a JSON value: shape, type, and the little-endian bytes in base64."""
    names = {dtype: name for name, dtype in _DTYPES.items()}
    return {
        name: {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data": base64.b64encode(tensor.detach().cpu().contiguous().numpy().tobytes()).decode("ascii"),
        }
        for name, tensor in tensors.items()
    }


def tensors_from_json(value: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors written by `tensors_to_json`, on the CPU."""
    tensors = {}
    for name, item in value.items():
        content = bytearray(base64.b64decode(item["data"]))
        # torch does not accept an empty buffer.
        flat = (
            torch.frombuffer(content, dtype=_DTYPES[item["dtype"]])
            if content
            else torch.empty(0, dtype=_DTYPES[item["dtype"]])
        )
        tensors[name] = flat.reshape(item["shape"])
    return tensors


def optimizer_tensors(optimizer: torch.optim.Optimizer, name: str) -> dict[str, Tensor]:
    """The state of an optimizer for its parameters (momentum, moments, steps), by position and kind."""
    return {
        f"{name}.{position}.{kind}": value
        for position, parameter in enumerate(_parameters(optimizer))
        for kind, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, name: str, tensors: Mapping[str, Tensor]) -> None:
    """Replace the optimizer's state by one that `optimizer_tensors` returned."""
    for position, parameter in enumerate(_parameters(optimizer)):
        prefix = f"{name}.{position}."
        remembered = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        if remembered:
            optimizer.state[parameter] = {kind: _like(parameter, value) for kind, value in remembered.items()}


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    # A moment lies in memory as its parameter does; a count of steps stays on the CPU.
    return torch.empty_like(parameter).copy_(value).detach() if value.shape == parameter.shape else value
