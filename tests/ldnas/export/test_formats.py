"""One network in its four forms: as it was trained, as code with weights, as a program, as ONNX."""

import io
import json
import sys
import types
from functools import cache

import onnx
import onnxruntime
import pytest
import torch

from ldnas.data.preprocessing import Preprocessing
from ldnas.export.description import NetworkDescription, OnnxVersions
from ldnas.export.formats import (
    METADATA_FILE,
    export_program,
    onnx_model,
    onnx_versions,
    save_program,
    save_weights,
    standalone_code,
)
from ldnas.export.loading import load_network
from ldnas.networks.design import CellDesign, PlainDesign, design_from_json
from ldnas.space.genotype import PRIMITIVES, Genotype
from ldnas.space.skeleton import Skeleton, Stage, default_skeleton
from tests.ldnas.export.designs import MOBILE, OF_TORCHVISION, PRETRAINED, kind_of, trained_network

# MobileNetV3-small has 52 convolutions, and multiplies its features by squeeze-and-excitation gates nine times. With
# the weights of these tests torch's own float32 logits differ by 2.0e-4 from those in float64; ONNX Runtime's differ by
# 4.9e-4, with the exported opset as with the lowered one, and by 2.9e-4 without its optimizations.
TOLERANCES = {MOBILE: 1e-3}
TOLERANCE = 1e-4
# Between them every primitive, and both pools at even and at odd sides.
MIXED = Genotype(("sep_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "identity", "avg_pool_3x3", "conv_7x1_1x7"))
OTHERS = Genotype(("dil_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "avg_pool_3x3", "sep_conv_5x5", "dil_conv_3x3"))
CELLS = (
    CellDesign(OTHERS, Skeleton(8, 2, 6, (Stage(6, 1),))),
    CellDesign(MIXED, Skeleton(29, 5, 4, (Stage(4, 0), Stage(6, 1)))),
    CellDesign(MIXED, Skeleton(64, 2, 4, (Stage(4, 1),))),
)
SMALL = CELLS[0]
PLAIN = PlainDesign(width=3, image_size=17, classes=4)
DESIGNS = (*CELLS, PLAIN, PRETRAINED, OF_TORCHVISION)


class Exported:
    """A network and its files."""

    def __init__(self, design):
        self.network = trained_network(design)
        self.size = design.image_size
        self.class_names = tuple(f"class “{number}”" for number in range(design.classes))
        self.description = NetworkDescription(design, self.class_names, Preprocessing(self.size))
        self.weights = save_weights(self.network, self.description.metadata())
        program = export_program(self.network, self.size)
        self.program = save_program(program, self.description.metadata())
        self.onnx = onnx_model(program, self.description.metadata())

    def by_code(self, folder, images):
        code = types.ModuleType("network")
        exec(compile(standalone_code(self.description), "network.py", "exec"), code.__dict__)
        (folder / "weights.safetensors").write_bytes(self.weights)
        return code.load(folder / "weights.safetensors")(images)

    def by_program(self, images):
        return torch.export.load(io.BytesIO(self.program)).module()(images)

    def by_onnx(self, images):
        session = onnxruntime.InferenceSession(self.onnx, providers=["CPUExecutionProvider"])
        (logits,) = session.run(["logits"], {"images": images.numpy()})
        return torch.from_numpy(logits)


@pytest.fixture(scope="module")
def exported():
    """Exports are slow, so each is made once."""
    return cache(Exported)


@pytest.mark.parametrize("design", [SMALL, PLAIN, PRETRAINED], ids=kind_of)
def test_a_network_loaded_from_its_weights_has_the_same_files(exported, design):
    first = exported(design)
    program = export_program(load_network(first.weights, design.to_json()), first.size)
    metadata = first.description.metadata()
    assert save_program(program, metadata) == first.program
    assert onnx_model(program, metadata) == first.onnx


def test_the_exported_cells_have_every_primitive_between_them():
    assert {primitive for design in CELLS for primitive in design.genotype.primitives} == set(PRIMITIVES)


@pytest.mark.parametrize("design", [*DESIGNS, pytest.param(MOBILE, marks=pytest.mark.long)], ids=kind_of)
def test_all_four_forms_give_equal_logits(exported, tmp_path, design):
    export = exported(design)
    tolerance = TOLERANCES.get(design, TOLERANCE)
    for count in (1, 3):
        generator = torch.Generator().manual_seed(count)
        images = torch.rand(count, 3, export.size, export.size, generator=generator) * 2 - 1
        with torch.no_grad():
            expected = export.network(images)
            assert expected.std() > 100 * tolerance, "logits that hardly differ would prove nothing"
            found = {
                "code": export.by_code(tmp_path, images),
                "program": export.by_program(images),
                "onnx": export.by_onnx(images),
            }
        for form, logits in found.items():
            torch.testing.assert_close(
                logits, expected, atol=tolerance, rtol=0, msg=lambda m, form=form: f"{form}: {m}"
            )


def test_class_names_and_preprocessing_travel_in_each_file(exported):
    export = exported(SMALL)
    header = json.loads(export.weights[8 : 8 + int.from_bytes(export.weights[:8], "little")])
    extra_files = {METADATA_FILE: ""}
    torch.export.load(io.BytesIO(export.program), extra_files=extra_files)
    session = onnxruntime.InferenceSession(export.onnx, providers=["CPUExecutionProvider"])
    for found in (
        header["__metadata__"],
        json.loads(extra_files[METADATA_FILE]),
        session.get_modelmeta().custom_metadata_map,
    ):
        assert found == export.description.metadata()
        assert json.loads(found["class_names"]) == list(export.class_names)
        assert json.loads(found["preprocessing"]) == Preprocessing(8).to_json()
        assert "8×8 pixels" in found["preprocessing_steps"]
        assert "x / 127.5 - 1" in found["preprocessing_steps"]


def test_the_metadata_holds_the_design(exported):
    """Readers of a cell's files find the entries that earlier releases wrote."""
    of_cell, of_plain = (exported(design).description.metadata() for design in (SMALL, PLAIN))
    assert of_cell["kind"] == "cell"
    assert json.loads(of_cell["genotype"]) == SMALL.genotype.to_json()
    assert json.loads(of_cell["skeleton"]) == SMALL.skeleton.to_json()
    assert "design" not in of_cell
    assert of_plain["kind"] == "plain"
    assert design_from_json(json.loads(of_plain["design"])) == PLAIN
    assert of_cell.keys() - of_plain.keys() == {"genotype", "skeleton"}


def test_the_onnx_model_names_its_input_its_output_and_a_free_batch(exported):
    session = onnxruntime.InferenceSession(exported(SMALL).onnx, providers=["CPUExecutionProvider"])
    ((images,), (logits,)) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type, images.shape) == ("images", "tensor(float)", ["batch", 3, 8, 8])
    assert (logits.name, logits.shape) == ("logits", ["batch", 2])
    assert "8×8 pixels" in session.get_modelmeta().description


@pytest.mark.parametrize("design", DESIGNS, ids=kind_of)
def test_the_onnx_model_requires_the_oldest_versions_that_its_operators_allow(exported, design):
    """Opset 14 has the present form of Add and Relu; IR 7 came with it (onnx 1.9), so ONNX Runtime 1.8 reads both."""
    content = exported(design).onnx
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert onnx_versions(content) == OnnxVersions(opset=14, ir=7)
    assert onnx_versions(content).runtime == "1.8"
    model.opset_import[0].version = 6
    with pytest.raises(onnx.checker.ValidationError):
        onnx.checker.check_model(model, full_check=True)


class Padded(torch.nn.Module):
    """Pads, which has its present form since opset 18, and takes a mean, whose axes are an input since then."""

    def forward(self, images):
        return torch.nn.functional.pad(images, (1, 2, 0, 1), mode="reflect").mean(dim=(2, 3))


def test_a_network_that_requires_a_late_opset_keeps_the_form_of_that_opset():
    content = onnx_model(export_program(Padded(), 8), {})
    assert onnx_versions(content).opset == 18
    images = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": images.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), Padded()(images))


@pytest.mark.parametrize("design", DESIGNS, ids=kind_of)
def test_no_file_reveals_the_machine_that_made_it(exported, design):
    export = exported(SMALL)
    for content in (export.weights, export.program, export.onnx):
        assert b"network.py" not in content
        assert sys.prefix.encode() not in content


def test_an_average_pool_is_one_operation_in_the_program(exported):
    program = torch.export.load(io.BytesIO(exported(SMALL).program))
    targets = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert targets.count("aten.avg_pool2d.default") == 2
    assert "aten.slice.Tensor" not in targets


@pytest.mark.parametrize("design", [SMALL, PLAIN, PRETRAINED], ids=kind_of)
def test_equal_networks_give_equal_files_and_are_left_as_they_were(exported, design):
    export = exported(SMALL)
    network = trained_network(SMALL).to(memory_format=torch.channels_last).train()
    again = export_program(network, 8)
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert network.stem[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert save_program(again, export.description.metadata()) == export.program
    assert onnx_model(again, export.description.metadata()) == export.onnx


def test_class_names_and_preprocessing_must_belong_to_the_network():
    design = CellDesign(MIXED, default_skeleton(16, 3))
    with pytest.raises(ValueError, match="2 class names for a head of 3 classes"):
        NetworkDescription(design, ("a", "b"), Preprocessing(16))
    with pytest.raises(ValueError, match="two classes have one name: a, b, a"):
        NetworkDescription(design, ("a", "b", "a"), Preprocessing(16))
    with pytest.raises(ValueError, match="images of 32 pixels for a network of 16"):
        NetworkDescription(design, ("a", "b", "c"), Preprocessing(32))
