"""A small network with its ONNX file, and images of every kind that is handled in a way of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ldnas.data.preprocessing import Preprocessing
from ldnas.export.description import NetworkDescription
from ldnas.export.formats import export_program, onnx_model
from ldnas.space.genotype import Genotype
from ldnas.space.network import CellNetwork, build_cell_network
from ldnas.space.skeleton import Skeleton, Stage

CLASS_NAMES = ("bent", "good \x1b[31m", "straight")
GENOTYPE = Genotype(("sep_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "identity", "avg_pool_3x3", "conv_7x1_1x7"))


@dataclass(frozen=True)
class Found:
    """A network and where its ONNX file lies."""

    network: CellNetwork
    file: Path
    image_size: int
    class_names: tuple[str, ...] = CLASS_NAMES


def found_network(folder: Path, image_size: int) -> Found:
    skeleton = Skeleton(image_size, len(CLASS_NAMES), 4, (Stage(4, 1), Stage(6, 1)))
    network = build_cell_network(GENOTYPE, skeleton, seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(5):  # the batch norms have seen something
            network(torch.randn(8, 3, image_size, image_size, generator=generator))
        network.head.weight.mul_(10)  # probabilities that hardly differed would prove nothing
    description = NetworkDescription(GENOTYPE, skeleton, CLASS_NAMES, Preprocessing(image_size).to_json())
    file = folder / f"network{image_size}.onnx"
    file.write_bytes(onnx_model(export_program(network.eval(), image_size), description.metadata()))
    return Found(network, file, image_size)


@pytest.fixture(scope="session")
def find(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Found]:
    """Gives a network for images of so many pixels, each made once."""
    folder = tmp_path_factory.mktemp("found")
    return cache(lambda image_size: found_network(folder, image_size))


@pytest.fixture
def found(find: Callable[[int], Found]) -> Found:
    return find(16)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of images with two classes, so that training can read it; one image lies deeper than the others."""
    random = np.random.default_rng(0)
    first, second = tmp_path / "pictures" / "first", tmp_path / "pictures" / "second" / "deeper"
    first.mkdir(parents=True)
    second.mkdir(parents=True)
    colour = random.integers(0, 256, (20, 33, 3), dtype=np.uint8)
    Image.fromarray(colour).save(first / "colour.png")
    Image.fromarray(colour[:, :, 0]).save(first / "grey.png")
    Image.fromarray(colour).quantize(16).save(first / "palette.png")
    Image.fromarray(random.integers(0, 256, (9, 7, 4), dtype=np.uint8)).save(first / "transparent.png")
    Image.fromarray(random.integers(0, 256, (9, 7, 2), dtype=np.uint8)).save(first / "transparent_grey.png")
    Image.fromarray(random.integers(0, 65536, (30, 29), dtype=np.uint16)).save(second / "wide.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.fromarray(colour).save(second / "turned.jpg", exif=exif)
    Image.fromarray(random.integers(0, 2, (28, 28), dtype=np.uint8) * 255).convert("1").save(second / "bilevel.png")
    Image.fromarray(random.integers(0, 256, (300, 120, 3), dtype=np.uint8)).save(second / "large.png")
    Image.fromarray(random.integers(0, 256, (16, 16, 4), dtype=np.uint8), "CMYK").save(second / "printed.jpg")
    return tmp_path / "pictures"
