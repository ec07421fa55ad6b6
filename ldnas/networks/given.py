"""Builds a task network from weights that a client uploaded."""

from pathlib import Path

from ldnas.networks.build import build_network
from ldnas.networks.classifier import Classifier
from ldnas.networks.fitting_weights import read_fitting_weights

FIELD = "network.weights"


def given_network(architecture: str, *, classes: int, weights: Path, name: str) -> Classifier:
    """The network of this architecture with the weights of a safetensors file, in eval mode.

    Args:
        architecture: one of `ldnas.networks.names.ARCHITECTURES`.
        classes: those of the task.
        weights: an existing file; its tensors are named as in the network's `state_dict()`.
        name: the file's name in messages.

    Raises:
        UnreadableDatasetError, UnfitWeightsError: see `read_fitting_weights`.
    """
    network = build_network(architecture, classes=classes, seed=0)
    what = f"{architecture} for {classes} classes"
    network.load_state_dict(read_fitting_weights(weights, network.state_dict(), network=what, name=name, field=FIELD))
    return network.eval()
