"""Removes CUDA's libraries, and triton, from an environment whose torch runs on processors alone.

    python without_cuda.py       removes them from the environment of this Python, and computes something without them

A process without a GPU calls no function of these libraries, but the loader looks for most of them by name when torch
is imported. So each becomes a link to `libtorch_global_deps.so`, which torch loads first and which has no functions,
and a `.pth` file makes this environment's Python load libraries lazily: a function is looked up no earlier than at its
first call, which would end the process. Four libraries stay, since torch refers to data in them.
`torch.cuda.is_available()` is false as before.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

KEPT = ("libcudart.so", "libcupti.so", "libcufile.so", "libnvshmem_host.so")
"""CUDA's runtime, its profiler's interface, and two with data that torch refers to."""

UNUSED = ("triton", "cuda", "torch/include", "torch/lib/libtorch_cuda_linalg.so")
"""For compiling GPU kernels and extensions, and for linear algebra on a GPU: loaded at their first use."""

LAZY = "import os, sys; sys.setdlopenflags(os.RTLD_LAZY)\n"
"""Python's own choice is to look up every function of a library as soon as it is loaded."""

CHECK = """
import torch, torchvision
from torch.nn.functional import cross_entropy
torch.manual_seed(0)
network = torchvision.models.resnet18(num_classes=4)
optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
images, labels = torch.randn(8, 3, 32, 32), torch.arange(8) % 4
losses = []
for _ in range(10):
    optimizer.zero_grad()
    loss = cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
torch.linalg.svd(images[0, 0]), torch.fft.rfft(images)
assert losses[-1] < losses[0], losses
assert not torch.cuda.is_available()
print(f"a network of torch {torch.__version__} fits: loss {losses[0]:.2f} to {losses[-1]:.2f}")
"""


def remove_cuda(packages: Path) -> int:
    """Remove the libraries below a folder `site-packages`; return the freed bytes. A second time changes nothing."""
    before = _bytes_below(packages)
    empty = packages / "torch" / "lib" / "libtorch_global_deps.so"
    if not (packages / "nvidia").is_dir():
        return 0  # this torch came without them
    for file in sorted(path for path in (packages / "nvidia").rglob("*") if path.is_file()):
        if ".so" in file.name and not file.name.startswith(KEPT):
            file.unlink()
            file.symlink_to(empty)
        elif ".so" not in file.name and file.suffix != ".py":
            file.unlink()  # headers and archives for compilers
    (packages / "without_cuda.pth").write_text(LAZY, encoding="utf-8")
    for name in UNUSED:
        path = packages / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return before - _bytes_below(packages)


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def main() -> None:
    """Free the environment of this Python."""
    freed = remove_cuda(Path(sysconfig.get_path("platlib")))
    print(f"{freed / 1e9:.2f} GB of CUDA's libraries are removed", flush=True)
    subprocess.run([sys.executable, "-c", CHECK], check=True)


if __name__ == "__main__":
    main()
