"""Reads the weights of the starter memory's trained cells."""

from pathlib import Path

from safetensors.torch import load
from torch import Tensor

from ldnas.memory.starter import STARTER, WEIGHTS, read_whole


def starter_weights(prefix: str, folder: Path = STARTER) -> dict[str, Tensor]:
    """The weights and buffers of the trained cell with this prefix, by their names in its network; in full precision.

    Raises:
        DamagedStarterError: the file is missing, or its content is not the one that was written.
        KeyError: no trained cell has the prefix.
    """
    found = {
        name.removeprefix(prefix): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in load(read_whole(WEIGHTS, folder)).items()
        if name.startswith(prefix)
    }
    if not found:
        raise KeyError(prefix)
    return found
