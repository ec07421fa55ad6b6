"""EfficientNet-Lite0 with its ImageNet weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.errors import UnfitWeightsError
from ldnas.networks.pretrained import embedded_network, imagenet_network, paired, read_tensors
from ldnas.training.train import TrainConfig, fit

# Classes of ImageNet, by the numbering of its 2012 challenge.
DAISY = 985
BUILDINGS = {663: "monastery", 698: "palace", 442: "bell cote", 483: "castle"}


def photograph(name: str) -> torch.Tensor:
    """One of scikit-learn's two photographs, cut to a square of 224 pixels."""
    picture = Image.fromarray(load_sample_image(name))
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC)
    return normalise(torch.from_numpy(np.asarray(square).copy()).permute(2, 0, 1)[None])


@torch.no_grad()
def test_its_weights_name_what_photographs_show() -> None:
    network = imagenet_network()
    assert int(network(photograph("flower.jpg")).argmax()) == DAISY
    best = network(photograph("china.jpg")).topk(2).indices[0].tolist()
    assert set(best) <= set(BUILDINGS)


@torch.no_grad()
def test_the_backbone_computes_the_features_before_the_head_of_imagenet() -> None:
    whole, own = imagenet_network(), embedded_network(classes=3).eval()
    images = photograph("flower.jpg")
    expected = whole.classifier(own.features(images))
    torch.testing.assert_close(expected, whole(images), rtol=1e-4, atol=1e-4)


def test_a_head_of_zeros_prefers_no_class() -> None:
    logits = embedded_network(classes=3).eval()(torch.zeros(1, 3, 32, 32))
    assert torch.equal(logits, torch.zeros(1, 3))


def test_training_leaves_the_statistics_of_the_batch_norms_alone() -> None:
    network = embedded_network(classes=2).train()
    before = {name: tensor.clone() for name, tensor in network.named_buffers()}
    network(torch.randn(4, 3, 32, 32))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.named_buffers())
    assert network.training


def test_a_weights_file_that_carries_code_is_refused(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    path = tmp_path / "weights.pth"
    torch.save({"weight": Code()}, path)
    with pytest.raises(UnfitWeightsError, match=r"weights\.pth"):
        read_tensors(path)
    assert not (tmp_path / "ran").exists()


def test_tensors_that_do_not_fit_are_refused_by_their_names() -> None:
    wanted = {"a.weight": torch.zeros(2), "a.bias": torch.zeros(2)}
    assert list(paired({"x.weight": torch.ones(2), "x.bias": torch.ones(2)}, wanted, origin="f")) == list(wanted)
    with pytest.raises(UnfitWeightsError, match=r"x\.weight of f has shape \[3\]; a\.weight has shape \[2\]"):
        paired({"x.weight": torch.ones(3), "x.bias": torch.ones(2)}, wanted, origin="f")
    with pytest.raises(UnfitWeightsError, match=r"x\.bias of f is paired with a\.weight"):
        paired({"x.bias": torch.ones(2), "x.weight": torch.ones(2)}, wanted, origin="f")
    with pytest.raises(UnfitWeightsError, match="f holds 1 tensor"):
        paired({"x.weight": torch.ones(2)}, wanted, origin="f")


def test_an_average_of_the_weights_leaves_the_statistics_alone_too() -> None:
    network = embedded_network(classes=2)
    before = {name: tensor.clone() for name, tensor in network.named_buffers()}
    images = ImageSet(torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]))
    fit(network, images, config=TrainConfig(epochs=1, batch_size=2, averaged=0.5), seed=0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.named_buffers())


def test_training_changes_the_head_and_the_last_five_of_seven_stages_alone() -> None:
    network = embedded_network(classes=2)
    before = {name: tensor.clone() for name, tensor in network.named_parameters()}
    images = ImageSet(torch.arange(2 * 3 * 32 * 32).remainder(251).byte().view(2, 3, 32, 32), torch.tensor([0, 1]))
    fit(network, images, config=TrainConfig(epochs=2, batch_size=2, weight_decay=0.1), seed=0)
    changed = {name for name, tensor in network.named_parameters() if not torch.equal(tensor, before[name])}
    frozen = ("backbone.conv_stem.", "backbone.bn1.", *(f"backbone.blocks.{stage}." for stage in (0, 1)))
    assert changed == {name for name in before if not name.startswith(frozen)}
    assert {name.split(".")[2] for name in changed if ".blocks." in name} == {"2", "3", "4", "5", "6"}
