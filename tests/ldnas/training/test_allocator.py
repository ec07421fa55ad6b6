"""Freed memory is used again without a page fault, counted in a process of its own."""

import platform
import subprocess
import sys

import pytest

COUNTED = """
import resource, sys
import torch
from ldnas.training.allocator import keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory()
for _ in range(10):  # alignment may take a few turns until a freed block fits
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)  # 64 MiB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(kept: str) -> int:
    """Of 64 MiB that a process asks for after it freed as many before."""
    ended = subprocess.run([sys.executable, "-c", COUNTED, kept], capture_output=True, text=True, check=True)
    return int(ended.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not the GNU one")
def test_freed_memory_is_kept() -> None:
    assert page_faults("kept") < 100
    assert page_faults("not kept") >= 32, "one for each page, of 2 MiB at the most"
