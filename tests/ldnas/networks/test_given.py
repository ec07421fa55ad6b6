"""A network with the weights of a given file: files that fit, and the first tensor that does not."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ldnas.errors import UnfitWeightsError
from ldnas.networks.build import build_network
from ldnas.networks.given import given_network

KEY = "backbone.4.weight"  # not the first tensor, and not the last


def tensors(classes: int = 3) -> dict[str, torch.Tensor]:
    return dict(build_network("small_cnn", classes=classes, seed=7).state_dict())


def given(folder: Path, content: dict[str, torch.Tensor], architecture: str = "small_cnn"):
    save_file(content, folder / "w.safetensors")
    return given_network(architecture, classes=3, weights=folder / "w.safetensors", name="mine")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_the_network_has_the_weights_that_were_brought(tmp_path: Path, dtype: torch.dtype) -> None:
    content = {key: t.to(dtype) if t.is_floating_point() else t for key, t in tensors().items()}
    network = given(tmp_path, content)
    assert not network.training
    for key, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, content[key].to(tensor.dtype), rtol=0, atol=0)


def without(key: str) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in tensors().items() if name != key}


@pytest.mark.parametrize(
    ("content", "key", "words"),
    [
        (tensors(classes=4), "head.weight", r"has shape \[4, 128\] .* small_cnn for 3 classes has shape \[3, 128\]"),
        ({**tensors(), KEY: torch.zeros(2)}, KEY, r"has shape \[2\] and type F32"),
        ({**without(KEY), "z": torch.zeros(2)}, KEY, "mine has no backbone"),
        ({**without(KEY), "head.weight": torch.zeros(2)}, KEY, "mine has no backbone"),
        ({**tensors(), "head.scale": torch.zeros(2)}, "head.scale", "which small_cnn for 3 classes does not have"),
        ({**tensors(), KEY: tensors()[KEY].int()}, KEY, "type I32"),
        ({**tensors(), KEY: tensors()[KEY] / 0}, KEY, "not finite"),
    ],
)
def test_the_first_tensor_that_does_not_fit_is_named_with_both_shapes(tmp_path: Path, content, key, words) -> None:
    with pytest.raises(UnfitWeightsError, match=words) as refusal:
        given(tmp_path, content)
    assert (refusal.value.field, refusal.value.origin) == ("network.weights", f"mine: {key}")
