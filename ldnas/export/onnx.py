"""A network as an ONNX model, through torch's exporter."""

from collections.abc import Mapping

import torch
from torch.export import ExportedProgram

from ldnas.export.description import INPUT_NAME, OUTPUT_NAME

OPSET = 20
"""The operator set version that the model requires; ONNX Runtime supports it since 1.17."""


def onnx_model(program: ExportedProgram, metadata: Mapping[str, str]) -> bytes:
    """The program as an ONNX file: `images` float32 [batch, 3, S, S] → `logits` float32 [batch, classes].

    Batch norms are folded into convolutions, so that logits agree with torch's to about 1e-6. The metadata lies in the
    model's `metadata_props`. Equal programs and metadata give equal bytes.
    """
    exported = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=OPSET,
        input_names=[INPUT_NAME],
        output_names=[OUTPUT_NAME],
        dynamic_shapes=({0: "batch"},),
        verbose=False,
    )
    assert exported is not None  # with `dynamo` it is always a program, although the signature allows None
    model = exported.model
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
