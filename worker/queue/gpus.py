"""The GPUs of this host and their memory use, from NVIDIA's driver: opens no context and takes no GPU memory."""

from typing import Any

import pynvml


def gpus() -> list[dict[str, Any]]:
    """Each GPU's `index`, `name`, `memory_used_bytes` and `memory_total_bytes`; empty without a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_facts(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:  # a GPU that fell off the bus must not end the worker
        return []
    finally:
        pynvml.nvmlShutdown()


def _facts(index: int) -> dict[str, Any]:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return {
        "index": index,
        "name": str(pynvml.nvmlDeviceGetName(handle)),
        "memory_used_bytes": int(memory.used),
        "memory_total_bytes": int(memory.total),
    }
