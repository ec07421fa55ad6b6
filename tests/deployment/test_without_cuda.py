"""The libraries that `deploy/without_cuda.py` removes and keeps; `make test-compose` runs torch without them."""

import importlib.util
from pathlib import Path

import pytest

from tests.deployment.compose import ROOT

_SPEC = importlib.util.spec_from_file_location("without_cuda", ROOT / "deploy" / "without_cuda.py")
assert _SPEC is not None
without_cuda = importlib.util.module_from_spec(_SPEC)
assert _SPEC.loader is not None
_SPEC.loader.exec_module(without_cuda)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A `site-packages` like that of torch's wheel with CUDA."""
    for name in (
        "torch/lib/libtorch_global_deps.so",
        "torch/lib/libtorch_cuda.so",
        "torch/lib/libtorch_cuda_linalg.so",
        "torch/include/ATen/ATen.h",
        "triton/_C/libtriton.so",
        "cuda/bindings/driver.so",
        "nvidia/cu13/lib/libcublas.so.13",
        "nvidia/cu13/lib/libcudart.so.13",
        "nvidia/cu13/include/cublas.h",
        "nvidia/cudnn/__init__.py",
        "nvidia/cudnn/lib/libcudnn.so.9",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x" * 10)
    return tmp_path


def test_libraries_that_torch_names_become_links_and_the_others_are_gone(packages: Path) -> None:
    freed = [len("x" * 10)] * 7
    assert without_cuda.remove_cuda(packages) == sum(freed) - len(without_cuda.LAZY)
    empty = packages / "torch/lib/libtorch_global_deps.so"
    assert [
        (packages / name).resolve() for name in ("nvidia/cu13/lib/libcublas.so.13", "nvidia/cudnn/lib/libcudnn.so.9")
    ] == [empty] * 2
    left = {
        path.relative_to(packages).as_posix()
        for path in packages.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    assert left == {
        "torch/lib/libtorch_global_deps.so",
        "torch/lib/libtorch_cuda.so",
        "nvidia/cu13/lib/libcudart.so.13",
        "nvidia/cudnn/__init__.py",
        "without_cuda.pth",
    }
    assert without_cuda.remove_cuda(packages) == 0


def test_a_torch_that_came_without_cuda_is_left_as_it_is(packages: Path) -> None:
    (packages / "nvidia").rename(packages / "elsewhere")
    before = sorted(packages.rglob("*"))
    assert without_cuda.remove_cuda(packages) == 0
    assert sorted(packages.rglob("*")) == before
