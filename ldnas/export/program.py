"""A network as a `torch.export` ExportedProgram: its graph and its weights, without the code that made them."""

import copy
import io
import json
from collections.abc import Mapping

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

METADATA_FILE = "metadata.json"
# Trace with two images: torch would treat a batch of one as a constant and fix the batch size.
_TRACED_BATCH = 2


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
