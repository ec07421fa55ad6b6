"""Networks of timm and torchvision with the weights of a given file: files that fit, and files that do not."""

import io
import pickle
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from ldnas.errors import InvalidSearchError, UnfitWeightsError, UnreadableDatasetError
from ldnas.networks.design import PretrainedDesign, design_from_json
from ldnas.networks.pretrained import PretrainedNetwork, named_network

SMALL = "test_efficientnet"
"""A network of timm with 99,196 parameters, whose images have the mean and the deviation of ImageNet."""

KEY = "conv_stem.weight"
COUNT = "bn1.num_batches_tracked"
Tensors = dict[str, torch.Tensor]


def trained(classes: int = 5) -> torch.nn.Module:
    torch.manual_seed(3)
    network: torch.nn.Module = timm.create_model(SMALL, pretrained=False, num_classes=classes)
    network.train()(torch.randn(8, 3, 32, 32))  # so that the batch norms are not fresh
    return network.eval()


def given(folder: Path, content: Tensors) -> PretrainedNetwork:
    save_file(content, folder / "w.safetensors")
    return named_network(SMALL, classes=3, weights=folder / "w.safetensors", name="mine")


@pytest.mark.parametrize("leaves_out", ["", "classifier.", "num_batches_tracked"])
@torch.no_grad()
def test_its_features_are_those_of_the_trained_network_for_images_scaled_as_timm_says(
    tmp_path: Path, leaves_out: str
) -> None:
    source = trained()
    content = {key: t for key, t in source.state_dict().items() if not leaves_out or leaves_out not in key}
    network = given(tmp_path, content).eval()
    images = torch.rand(2, 3, 32, 32)  # in [0, 1]
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    scaled = (images - mean[:, None, None]) / deviation[:, None, None]
    expected = source.forward_head(source.forward_features(scaled), pre_logits=True)
    torch.testing.assert_close(network.features(2 * images - 1), expected, rtol=1e-3, atol=1e-4)
    assert torch.equal(network(images), torch.zeros(2, 3))


def changed(key: str, tensor: torch.Tensor | None) -> Tensors:
    content = {name: own for name, own in trained().state_dict().items() if name != key}
    return content if tensor is None else {**content, key: tensor}


@pytest.mark.parametrize(
    ("key", "tensor", "words"),
    [
        (KEY, None, "mine has no conv_stem.weight, which test_efficientnet has with shape"),
        (KEY, torch.zeros(2), r"has shape \[2\] and type F32; test_efficientnet has shape \[\d+, 3, 3, 3\]"),
        ("conv_stem.more", torch.zeros(2), "which test_efficientnet does not have"),
        (COUNT, torch.zeros(2, dtype=torch.int64), r"has shape \[2\]"),
        ("bn1.bias", torch.tensor(torch.nan), "has shape"),
    ],
)
def test_the_first_tensor_that_does_not_fit_is_named(
    tmp_path: Path, key: str, tensor: torch.Tensor, words: str
) -> None:
    with pytest.raises(UnfitWeightsError, match=words) as refusal:
        given(tmp_path, changed(key, tensor))
    assert (refusal.value.field, refusal.value.origin) == ("pretrained.weights", f"mine: {key}")


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("something that came along was run",)


def test_a_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    archive = io.BytesIO()
    torch.save({KEY: Trap()}, archive)
    file = tmp_path / "w.safetensors"
    for content in (pickle.dumps(Trap()), archive.getvalue()):
        file.write_bytes(content)
        with pytest.raises(UnreadableDatasetError, match="mine cannot be read as safetensors"):
            named_network(SMALL, classes=3, weights=file, name="mine")


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        ("resnet19", "has no network 'resnet19'; a name of `timm.list_models"),
        ("test_vit", "test_vit takes images of one size alone"),
        ("torchvision/resnet19", "torchvision .* has no network 'resnet19'; .*list_models"),
        ("torchvision/fcn_resnet50", "has no network 'fcn_resnet50'"),
        (
            "torchvision/vit_b_16",
            "torchvision/vit_b_16 takes images of one size alone; .* such as torchvision/resnet18",
        ),
        ("torchvision/maxvit_t", "torchvision/maxvit_t takes images of one size alone"),
        ("torchvision/googlenet", "torchvision/googlenet has classifiers between its layers"),
        ("torchvision/inception_v3", "torchvision/inception_v3 has classifiers between its layers"),
    ],
)
def test_a_network_that_cannot_take_part_is_refused(architecture: str, words: str) -> None:
    with pytest.raises(InvalidSearchError, match=words) as refusal:
        named_network(architecture, classes=2, weights=None)
    assert refusal.value.field == "pretrained.architecture"


FEATURES = {
    "squeezenet1_1": lambda network, images: network.features(images).mean(dim=(2, 3)),
    "shufflenet_v2_x0_5": lambda network, images: torch.nn.Sequential(*[*network.children()][:-1])(images).mean((2, 3)),
    "mobilenet_v3_small": lambda network, images: network.classifier[:2](network.features(images).mean(dim=(2, 3))),
}
"""The inputs of the last layer, computed from the named parts of the network."""


def trained_of_torchvision(name: str) -> torch.nn.Module:
    torch.manual_seed(3)
    network: torch.nn.Module = torchvision.models.get_model(name, weights=None, num_classes=5)
    network.train()(torch.randn(8, 3, 64, 64))  # so that the batch norms are not fresh
    return network.eval()


@pytest.mark.parametrize("with_classifier", [True, False])
@pytest.mark.parametrize("name", FEATURES)
@torch.no_grad()
def test_the_head_takes_the_inputs_of_the_last_layer_of_torchvision(
    tmp_path: Path, name: str, with_classifier: bool
) -> None:
    source = trained_of_torchvision(name)
    content = source.state_dict()
    if not with_classifier:
        content = dict(list(content.items())[:-2])  # the weight and the bias of the last layer
    save_file(content, tmp_path / "w.safetensors")
    network = named_network(f"torchvision/{name}", classes=3, weights=tmp_path / "w.safetensors", name="mine").eval()
    images = torch.rand(2, 3, 64, 64)  # in [0, 1]
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = FEATURES[name](source, (images - mean[:, None, None]) / deviation[:, None, None])
    torch.testing.assert_close(network.features(2 * images - 1), expected, rtol=1e-3, atol=1e-4)
    assert network.head.weight.shape == (3, expected.shape[1])


def test_a_file_with_the_names_of_timm_does_not_fit_a_network_of_torchvision(tmp_path: Path) -> None:
    save_file(timm.create_model("resnet10t", pretrained=False).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(UnfitWeightsError, match=r"mine has no conv1\.weight, which torchvision/resnet18 has"):
        named_network("torchvision/resnet18", classes=3, weights=tmp_path / "w.safetensors", name="mine")


@pytest.mark.parametrize("name", ["squeezenet1_1", "efficientnet_b0"])
@torch.no_grad()
def test_a_network_of_torchvision_drops_nothing_at_random_while_it_trains(name: str) -> None:
    network = named_network(f"torchvision/{name}", classes=2, weights=None).train()
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(network.features(images), network.eval().features(images), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "torchvision/",
        "torchvision/torchvision/resnet18",
        "timm/resnet18",
        "local-dir:/etc",
        "hf-hub:timm/resnet18",
        'x"; import os',
        "resnet18\n",
    ],
)
def test_a_design_names_networks_alone_and_never_a_place_to_load_from(name: str) -> None:
    with pytest.raises(InvalidSearchError, match="does not know the network"):
        design_from_json({"kind": "pretrained", "name": name, "image_size": 32, "classes": 2, "weights": "0" * 64})


def test_a_design_of_another_network_states_its_weights_and_comes_back_from_its_json() -> None:
    stored = {"kind": "pretrained", "image_size": 48, "classes": 2}
    old = design_from_json({**stored, "name": "tf_efficientnet_lite0"})
    assert old.to_json() == {**stored, "name": "tf_efficientnet_lite0"}
    for name in (SMALL, "torchvision/squeezenet1_1"):
        own = PretrainedDesign(48, 2, name, "0" * 64)
        assert design_from_json(own.to_json()) == own
    with pytest.raises(InvalidSearchError):
        PretrainedDesign(48, 2, SMALL)
