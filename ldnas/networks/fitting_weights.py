"""Reads the weights of a given safetensors file for a network, if they fit it."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ldnas.errors import UnfitWeightsError
from ldnas.networks.weights_file import TensorEntry, read_weights_header

_WHOLE_NUMBERS = ("BOOL", "U8", "I8", "I16", "U16", "I32", "U32", "I64", "U64")


def read_fitting_weights(
    weights: Path, wanted: Mapping[str, Tensor], *, network: str, name: str, field: str, unused: tuple[str, ...] = ()
) -> dict[str, Tensor]:
    """The tensors of a safetensors file, which has one for each of the `wanted` ones, of its shape and kind.

    Args:
        weights: an existing file.
        wanted: the tensors of the network, by their names in the file.
        network: the network in messages.
        name: the file's name in messages.
        field: the field of the request that named the file.
        unused: the beginnings of names that the file may have and the network does not need.

    Raises:
        UnreadableDatasetError: it is not a safetensors file.
        UnfitWeightsError: the first tensor, in the network's order, that is missing or has another shape; else one that
            the network does not have; else one with numbers that are not finite.
    """
    entries = read_weights_header(weights, name)
    given = {key: entry for key, entry in entries.items() if key in wanted or not key.startswith(unused)}
    fault = _first_fault(wanted, given, network, name)
    if fault is None:
        tensors = {key: tensor for key, tensor in load_file(weights).items() if key in given}
        fault = next(
            (
                (key, f"{key} of {name} holds numbers that are not finite")
                for key, tensor in tensors.items()
                if tensor.is_floating_point() and not torch.isfinite(tensor).all()
            ),
            None,
        )
        if fault is None:
            return tensors
    key, message = fault
    raise UnfitWeightsError(message, field=field, origin=f"{name}: {key}")


def _first_fault(
    wanted: Mapping[str, Tensor], given: Mapping[str, TensorEntry], network: str, name: str
) -> tuple[str, str] | None:
    """The first tensor that does not fit, and the reason."""
    for key, tensor in wanted.items():
        shape = list(tensor.shape)
        if key not in given:
            return key, f"{name} has no {key}, which {network} has with shape {shape}"
        entry = given[key]
        if list(entry.shape) != shape or tensor.is_floating_point() == (entry.dtype in _WHOLE_NUMBERS):
            return key, (
                f"{key} of {name} has shape {list(entry.shape)} and type {entry.dtype}; {network} has shape {shape} "
                f"and type {str(tensor.dtype).removeprefix('torch.')}"
            )
    return next(((key, f"{name} has {key}, which {network} does not have") for key in given if key not in wanted), None)
