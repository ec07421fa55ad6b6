"""Stands in for `worker.queue.runner`: the same in a process that may take little more memory than it begins with."""

import os
import resource
import sys
from pathlib import Path

import torch

from ldnas.export.description import OnnxVersions
from ldnas.networks.build import build_network
from ldnas.training.final import final_config
from worker.jobs.stages import export, train
from worker.queue import runner
from worker.registry import open_engine
from worker.settings import Settings

MORE = int(os.environ["LDNAS_TEST_MORE_MEBIBYTES"]) * 2**20


def limit_memory() -> None:
    network = build_network("small_cnn", classes=2, seed=0)
    network(torch.zeros(2, 3, 32, 32)).sum().backward()  # makes its preparations for convolutions
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MORE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    # As in conftest.py: torch's exporters take seconds, and no test here asks how good a network is.
    export.export_program = lambda network, image_size: None
    export.save_program = lambda program, metadata: b"program"
    export.onnx_model = lambda program, metadata: b"onnx"
    export.onnx_versions = lambda content: OnnxVersions(opset=14, ir=7)
    train.final_config = lambda *facts, **wishes: final_config(*facts, **{**wishes, "epochs": 1})
    torch.set_num_threads(1)
    settings = Settings.from_environment(os.environ)
    limit_memory()
    sys.exit(runner.run(settings, open_engine(settings.database_url), sys.argv[1], int(sys.argv[2])))


if __name__ == "__main__":
    main()
