"""Builds a task network from weights that a client uploaded."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ldnas.errors import UnfitWeightsError
from ldnas.networks.build import build_network
from ldnas.networks.classifier import Classifier
from ldnas.networks.weights_file import TensorEntry, read_weights_header

FIELD = "network.weights"

_WHOLE_NUMBERS = ("BOOL", "U8", "I8", "I16", "U16", "I32", "U32", "I64", "U64")


def given_network(architecture: str, *, classes: int, weights: Path, name: str) -> Classifier:
    """The network of this architecture with the weights of a safetensors file, in eval mode.

    Args:
        architecture: one of `ldnas.networks.names.ARCHITECTURES`.
        classes: those of the task.
        weights: an existing file; its tensors are named as in the network's `state_dict()`.
        name: the file's name in messages.

    Raises:
        UnreadableDatasetError: it is not a safetensors file.
        UnfitWeightsError: the first tensor, in the network's order, that is missing or has another shape; else one that
            the network does not have; else one with numbers that are not finite.
    """
    network = build_network(architecture, classes=classes, seed=0)
    _require_fit(network.state_dict(), read_weights_header(weights, name), architecture, classes, name)
    tensors = load_file(weights)
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise UnfitWeightsError(
                f"{key} of {name} holds numbers that are not finite", field=FIELD, origin=f"{name}: {key}"
            )
    network.load_state_dict(tensors)
    return network.eval()


def _require_fit(
    wanted: dict[str, Tensor], given: dict[str, TensorEntry], architecture: str, classes: int, name: str
) -> None:
    what = f"{architecture} for {classes} classes"
    for key, tensor in wanted.items():
        shape = list(tensor.shape)
        if key not in given:
            raise UnfitWeightsError(
                f"{name} has no {key}, which {what} has with shape {shape}", field=FIELD, origin=f"{name}: {key}"
            )
        entry = given[key]
        if list(entry.shape) != shape or tensor.is_floating_point() == (entry.dtype in _WHOLE_NUMBERS):
            raise UnfitWeightsError(
                f"{key} of {name} has shape {list(entry.shape)} and type {entry.dtype}; {what} has shape {shape} and "
                f"type {str(tensor.dtype).removeprefix('torch.')}",
                field=FIELD,
                origin=f"{name}: {key}",
            )
    for key in given:
        if key not in wanted:
            raise UnfitWeightsError(
                f"{name} has {key}, which {what} does not have", field=FIELD, origin=f"{name}: {key}"
            )
