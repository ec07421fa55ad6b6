"""The model card: its statements, and those that it must not leave out."""

import dataclasses

import pytest

from ldnas.data.preprocessing import Preprocessing
from ldnas.export.card import CardFacts, model_card
from ldnas.export.description import NetworkDescription, OnnxVersions
from ldnas.networks.design import MOBILENET, CellDesign, PlainDesign, PretrainedDesign
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import default_skeleton

CELL = CellDesign(Genotype(("identity",) * 5 + ("sep_conv_3x3",)), default_skeleton(32, 3))
FACTS = CardFacts(
    name="cats",
    data={
        "uri": "file:///data/cats.parquet",
        "labels": {"groups": [["cat"], [3, 4]], "rest": True, "balance": False},
        "train": 1400,
        "validation": 300,
        "test": 310,
        "digests": {"dataset": "d" * 64, "mapping": "m" * 64, "preprocessing": "p" * 64},
    },
    class_counts=(1000, 350, 50),
    validation={"accuracy": 0.95, "balanced_accuracy": 0.94},
    test={"accuracy": 0.9, "interval": [0.86, 0.93], "balanced_accuracy": 0.875},
    parameters=12345,
    macs=6789000,
    onnx=OnnxVersions(opset=14, ir=7),
    provenance={"seed": "7", "torch": "2.11"},
)


def described(design):
    return NetworkDescription(design, ("cat", "a|b*", "rest"), Preprocessing(32))


DESCRIPTION = described(CELL)


def test_the_card_says_what_the_network_is_for_and_how_well_it_does():
    card = model_card(DESCRIPTION, FACTS)
    assert card.startswith("# cats\n")
    assert "| test accuracy | 90.0 % (95 % interval 86.0 % to 93.0 %) |" in card
    assert "on 310 test images that neither the search nor the training had read" in card
    assert "12,345 parameters" in card
    assert "- dataset: `file:///data/cats.parquet`" in card
    assert "- labels: `cat | 3 4 | rest`" in card
    assert "d" * 64 in card
    assert "- seed: `7`" in card
    for section in ("Accuracy", "Limits", "Classes", "Data", "Preprocessing", "How to use the files", "Provenance"):
        assert card.count(f"\n## {section}\n\n") == 1


def test_the_card_states_the_first_onnx_runtime_that_reads_the_file():
    card = " ".join(model_card(DESCRIPTION, FACTS).split())
    assert "ONNX Runtime 1.8 or later, and others that read ONNX (opset 14, IR version 7)" in card


def test_a_class_name_stands_in_the_card_as_it_reads():
    assert r"| 1 | a\|b\* | 350 |" in model_card(DESCRIPTION, FACTS)


def test_the_card_states_every_step_of_the_preprocessing():
    card = model_card(DESCRIPTION, FACTS)
    assert "28 to 31 pixels is padded to 32" in card
    assert "x / 127.5 - 1: float32 [N, 3, 32, 32] in [-1, 1]" in card


@pytest.mark.parametrize("file", ["network.py weights.safetensors", "network.pt2", "network.onnx"])
def test_the_card_says_how_each_file_is_used(file):
    assert file in model_card(DESCRIPTION, FACTS)


def test_what_little_data_means_is_said_in_words():
    plenty = model_card(DESCRIPTION, FACTS)
    assert "few training images" not in plenty
    assert "interval is wide" not in plenty
    few = dataclasses.replace(
        FACTS,
        class_counts=(1000, 351, 49),
        test={**FACTS.test, "interval": [0.7, 0.97]},
        data={**FACTS.data, "test": 20},
    )
    card = model_card(DESCRIPTION, few)
    assert "- Classes with few training images: rest (49)." in card
    assert "with 20 test images the interval is wide" in card


def test_the_weakest_class_is_named_where_recall_is_known():
    facts = dataclasses.replace(FACTS, test={**FACTS.test, "recall": [0.95, None, 0.5], "macro_f1": 0.8})
    card = model_card(DESCRIPTION, facts)
    assert "weakest at the class rest: of its test images it finds 50.0 %" in card
    assert "| 0 | cat | 1,000 | 95.0 % |" in card
    assert r"| 1 | a\|b\* | 350 |  |" in card
    assert "| test macro F1 | 80.0 % |" in card
    assert "weakest" not in model_card(DESCRIPTION, FACTS)


def test_a_uri_with_backticks_stays_code():
    facts = dataclasses.replace(FACTS, data={**FACTS.data, "uri": "file:///a`b``c"})
    assert "``` file:///a`b``c ```" in model_card(DESCRIPTION, facts)


BIASES = "with which its weights were first trained, have biases"


@pytest.mark.parametrize(
    ("design", "origin", "packages"),
    [
        (CELL, "Its cell was found by architecture search.", "torch and Pillow"),
        (
            PlainDesign(12, 32, 3),
            "It is a ResNet-18 whose first stage has 12 channels, trained from fresh weights.",
            "torch and Pillow",
        ),
        (
            PlainDesign(1, 32, 3),
            "It is a ResNet-18 whose first stage has 1 channel, trained from fresh weights.",
            "torch and Pillow",
        ),
        (
            PlainDesign(0.75, 32, 3, MOBILENET),
            "It is a MobileNetV3-small with 0.75 times its channels, trained from fresh weights.",
            "torch and Pillow",
        ),
        (
            PretrainedDesign(32, 3),
            "It is timm's `tf_efficientnet_lite0`, which began with weights from ImageNet and was tuned on the data.",
            "torch, timm and Pillow",
        ),
        (
            PretrainedDesign(32, 3, "resnet10t", "0" * 64),
            "It is timm's `resnet10t`, which began with given weights and was tuned on the data.",
            "torch, timm and Pillow",
        ),
        (
            PretrainedDesign(32, 3, "torchvision/squeezenet1_1", "0" * 64),
            "It is torchvision's `squeezenet1_1`, which began with given weights and was tuned on the data.",
            "torch, torchvision and Pillow",
        ),
    ],
    ids=["cell", "plain", "one channel", "mobile", "pretrained", "other pretrained", "torchvision"],
)
def test_the_card_says_what_the_network_is_and_what_its_code_needs(design, origin, packages):
    card = model_card(described(design), FACTS)
    assert f" {origin} It has 12,345 parameters" in card
    assert f"readable PyTorch that needs {packages}.\n" in card
    assert (BIASES in card) == isinstance(design, PretrainedDesign)
    assert ("photographs of ImageNet" in card) == (design == PretrainedDesign(32, 3))
