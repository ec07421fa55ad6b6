"""A network in the formats that a user can download: readable code, weights, a `torch.export` program and ONNX."""

import copy
import io
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import onnx
import onnx_ir
import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from ldnas.export.description import INPUT_NAME, OUTPUT_NAME, NetworkDescription, OnnxVersions
from ldnas.networks.design import RESNET18, CellDesign, Design, PlainDesign, PretrainedDesign
from ldnas.networks.mobilenet import SMALL_SIDE
from ldnas.space.genotype import EDGES

METADATA_FILE = "metadata.json"
_EXPORTED_OPSET = 18
"""The oldest operator set that torch's exporter writes by itself."""

_OLDEST_OPSET = 14
"""Add, Relu and Reshape have their present form since this one."""

_OPSET_OF_AXES = 18
"""Since this one the axes of ReduceMean are an input; before, they are an attribute."""

# Trace with two images: torch would treat a batch of one as a constant and fix the batch size.
_TRACED_BATCH = 2
_DTYPE_NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}


def standalone_code(description: NetworkDescription) -> str:
    """A readable Python file that rebuilds the network, reads its weights and images, and classifies them.

    It is `templates/shared.py` with the network of this kind and the constants of this network; its `state_dict` has
    the keys of `build_designed`. It needs torch and Pillow, for a pretrained network also timm or
    torchvision, and not ldnas.
    """
    design = description.design
    value_range = description.preprocessing.value_range
    code = _joined(_template("shared"), _template(_own_template(design)))
    constants = {
        "CLASS_NAMES": _tuple_lines([repr(name) for name in description.class_names]),
        "IMAGE_SIZE": str(design.image_size),
        "VALUE_RANGE": "None" if value_range is None else f"({', '.join(map(str, value_range.to_json()))})",
        **_constants(design),
    }
    for name, value in constants.items():
        code = _replace_once(code, rf"^({name}: [^=\n]+ = ).*$", value)
    return code


def save_weights(network: nn.Module, metadata: Mapping[str, str]) -> bytes:
    """The network's `state_dict` in the safetensors layout; equal weights and metadata give equal bytes.

    (The safetensors library orders metadata randomly, which would give one network many content addresses.)

    Raises:
        ValueError: a tensor's type is not float32, float16, bfloat16 or int64.
    """
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    parts: list[bytes] = []
    offset = 0
    # Wide types first keeps every tensor aligned to its own size.
    tensors = sorted(network.state_dict().items(), key=lambda item: (-item[1].element_size(), item[0]))
    for name, tensor in tensors:
        if tensor.dtype not in _DTYPE_NAMES:
            raise ValueError(f"{name} is {tensor.dtype}; {', '.join(map(str, _DTYPE_NAMES))} can be saved")
        content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        header[name] = {
            "dtype": _DTYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(content)],
        }
        parts.append(content)
        offset += len(content)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def export_program(network: nn.Module, image_size: int) -> ExportedProgram:
    """The network in eval mode, on the CPU, as a graph over images [N, 3, S, S], N ≥ 1 free.

    `network` itself does not change.
    """
    alone = copy.deepcopy(network).cpu().to(memory_format=torch.contiguous_format).eval().requires_grad_(False)
    images = torch.zeros(_TRACED_BATCH, 3, image_size, image_size)
    program = torch.export.export(alone, (images,), dynamic_shapes=({0: Dim("batch", min=1)},))
    program.example_inputs = None
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            # It names files of this machine, so the same network would have another content address elsewhere.
            node.meta.pop("stack_trace", None)
    return program


def save_program(program: ExportedProgram, metadata: Mapping[str, str]) -> bytes:
    """The program as a `.pt2` file; `read_metadata` reads the metadata back.

    Equal programs and metadata give equal bytes.
    """
    content = io.BytesIO()
    extra_files = {METADATA_FILE: json.dumps(dict(metadata), ensure_ascii=False, sort_keys=True)}
    torch.export.save(program, content, extra_files=extra_files)
    return content.getvalue()


def onnx_model(program: ExportedProgram, metadata: Mapping[str, str]) -> bytes:
    """The program as an ONNX file: `images` float32 [batch, 3, S, S] → `logits` float32 [batch, classes].

    Batch norms are folded into convolutions, and sums are in another order. Logits with a spread near 1 agree with
    torch's within 1e-4, those of MobileNetV3-small within 1e-3 (tests/ldnas/export/test_formats.py): float32 rounds so.
    The metadata lies in the model's `metadata_props`. The operator set and the IR version are the oldest that the
    operators allow. Equal programs and metadata give equal bytes.
    """
    exported = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=_EXPORTED_OPSET,
        input_names=[INPUT_NAME],
        output_names=[OUTPUT_NAME],
        dynamic_shapes=({0: "batch"},),
        verbose=False,
    )
    assert exported is not None  # with `dynamo` it is always a program, although the signature allows None
    model = exported.model
    _lower_opset(model)
    model.graph.name = "network"
    model.doc_string = metadata.get("preprocessing_steps")
    model.metadata_props.update(sorted(metadata.items()))
    # The exporter adds the source lines of each node; they would fill half of the file.
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    content: bytes = exported.model_proto.SerializeToString(deterministic=True)
    return content


def onnx_versions(content: bytes) -> OnnxVersions:
    """The versions that a model of `onnx_model` requires."""
    model = onnx.load_from_string(content)
    return OnnxVersions(opset=model.opset_import[0].version, ir=model.ir_version)


def _lower_opset(model: onnx_ir.Model) -> None:
    """Require the oldest operator set in which every operator of the model has the form that it has here."""
    exported = model.opset_imports[""]
    oldest, means = _OLDEST_OPSET, list[tuple[onnx_ir.Node, list[int]]]()
    for node in model.graph.all_nodes():
        if node.op_type == "ReduceMean" and (axes := _constant(node.inputs[1])) is not None:
            means.append((node, axes))
        else:
            oldest = max(oldest, onnx.defs.get_schema(node.op_type, exported, node.domain).since_version)
    for node, axes in means if oldest < _OPSET_OF_AXES else ():
        node.resize_inputs(1)
        node.attributes.pop("noop_with_empty_axes", None)
        node.attributes["axes"] = onnx_ir.AttrInt64s("axes", axes)
    for name in [name for name, value in model.graph.initializers.items() if not value.uses()]:
        del model.graph.initializers[name]
    model.opset_imports[""] = oldest
    for node in model.graph.all_nodes():
        node.version = None if node.version is None else oldest
    model.ir_version = onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", oldest)])


def _constant(value: onnx_ir.Value | None) -> list[int] | None:
    """The integers of a value that is known without running the model."""
    tensor = None if value is None else value.const_value
    return None if tensor is None else [int(number) for number in tensor.numpy()]


def _template(name: str) -> str:
    return resources.files("ldnas.export.templates").joinpath(f"{name}.py").read_text(encoding="utf-8")


def _own_template(design: Design) -> str:
    match design:
        case CellDesign():
            return "cell"
        case PlainDesign():
            return design.name
        case PretrainedDesign():
            return design.library


def _joined(shared: str, own: str) -> str:
    """The shared template with a network's own: its first line, the imports that are missing, constants and classes."""
    imports = re.findall(r"^(?:import|from) .+$", own, flags=re.MULTILINE)
    # With torch, whose place among them they keep.
    missing = [line for line in imports if line == "import torch" or f"\n{line}\n" not in shared]
    body = own.partition(f"\n{imports[-1]}\n")[2].strip("\n")
    first_line = own.partition("\n")[0].removesuffix('"""')
    code = first_line + "\n" + shared.partition("\n")[2]
    code = _replace_once(code, r"^import torch$", "\n".join(missing))
    code = _replace_once(code, r"^from ldnas\.export\.templates\.cell import Network\n\n", "")
    return _replace_once(code, r"\n\n\n(?=def load\()", f"\n{body}\n\n\n")


def _constants(design: Design) -> dict[str, str]:
    """The values of the constants in the template of the design's kind."""
    match design:
        case CellDesign(genotype, skeleton):
            edges = zip(EDGES, genotype.primitives, strict=True)
            return {
                "STAGES": _tuple_lines([f"({stage.channels}, {stage.cells})" for stage in skeleton.stages]),
                "EDGES": _tuple_lines([f'({start}, {end}, "{name}")' for (start, end), name in edges]),
            }
        case PlainDesign() if design.name == RESNET18:
            return {"WIDTH": str(design.width)}
        case PlainDesign():
            return {"WIDTH": str(design.width), "FIRST_STRIDE": "1" if design.image_size <= SMALL_SIDE else "2"}
        case PretrainedDesign():
            return {"BACKBONE": f'"{design.name_in_library}"'}


def _tuple_lines(items: Sequence[str]) -> str:
    return "(\n" + "".join(f"    {item},\n" for item in items) + ")"


def _replace_once(code: str, pattern: str, value: str) -> str:
    """Replace the only match of a pattern in a template; the groups of the pattern stay in front of the value."""
    replaced, count = re.subn(pattern, lambda found: "".join(found.groups()) + value, code, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"the template has {count} matches of {pattern}, not one")
    return replaced
