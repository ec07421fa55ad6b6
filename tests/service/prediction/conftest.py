"""Small networks with their ONNX files, and images of every kind that is handled in a way of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from ldnas.data.preprocessing import Preprocessing
from ldnas.data.value_range import ValueRange
from ldnas.export.description import NetworkDescription
from ldnas.export.formats import export_program, onnx_model
from ldnas.networks.design import Design
from tests.ldnas.export.designs import CELL, kind_of, trained_network

CLASS_NAMES = ("bent", "good \x1b[31m", "straight")


@dataclass(frozen=True)
class Found:
    """A network and where its ONNX file lies."""

    network: nn.Module
    file: Path
    image_size: int
    class_names: tuple[str, ...] = CLASS_NAMES


def found_network(folder: Path, design: Design) -> Found:
    network = trained_network(design)
    size = design.image_size
    description = NetworkDescription(design, CLASS_NAMES, Preprocessing(size, ValueRange(0, 65535)))
    file = folder / f"{kind_of(design)}.onnx"
    file.write_bytes(onnx_model(export_program(network, size), description.metadata()))
    return Found(network, file, size)


@pytest.fixture(scope="session")
def find(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Design], Found]:
    """Gives the network of a design, each made once."""
    folder = tmp_path_factory.mktemp("found")
    return cache(lambda design: found_network(folder, design))


@pytest.fixture
def found(find: Callable[[Design], Found]) -> Found:
    return find(CELL)


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
