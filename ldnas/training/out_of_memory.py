"""Recognises that memory ran out, frees what can be freed, and words the error."""

import ctypes
import gc
import re
import resource

import torch

from ldnas.errors import OutOfMemoryError

_COMPLAINTS = (
    "can't allocate memory",
    "out of memory",
    "std::bad_alloc",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
# oneDNN gives no reason: a convolution on a processor fails with these words when it cannot allocate its workspace.
_ONEDNN = ("could not create a primitive", "could not execute a primitive", "could not create a memory object")
_BYTES = re.compile(r"allocate ([\d.]+) (bytes|[KMGTP]iB)")
_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed: on a processor, on an accelerator, in Python or in NumPy."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (text in _ONEDNN or any(complaint in text for complaint in _COMPLAINTS))


def too_large(complaint: str, what: str) -> OutOfMemoryError:
    """The error for an allocator's complaint about `what`; its message has the requested bytes, if they are known."""
    wanted = _BYTES.search(complaint)
    asked = "an unknown number of" if wanted is None else f"{float(wanted[1]) * _UNITS[wanted[2]]:.0f}"
    return OutOfMemoryError(
        f"memory does not suffice for {what}: {asked} bytes were requested in addition to the {_held()} bytes that the "
        "process held at most; use smaller images, a smaller network or more memory"
    )


def free_memory() -> None:
    """Return memory that no tensor uses any more to the devices and to the operating system."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    # glibc retains free memory among small blocks; tensors of another size cannot use it until it is returned.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _held() -> int:
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
