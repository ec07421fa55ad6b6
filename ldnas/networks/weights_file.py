"""Lists the tensors of a weights file from its header alone (without torch, so that any process can check a file).

The layout is safetensors': the length of the header (8 bytes, little-endian), the header as JSON, the tensors' bytes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from ldnas.errors import UnreadableDatasetError

MAX_HEADER_BYTES = 16 * 2**20

_LENGTH_BYTES = 8
_ITEM_BYTES = (
    dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1)
    | dict.fromkeys(("I16", "U16", "F16", "BF16"), 2)
    | dict.fromkeys(("I32", "U32", "F32"), 4)
    | dict.fromkeys(("I64", "U64", "F64"), 8)
)


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of the file: its type as safetensors calls it (`F32`) and its shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


def read_weights_header(path: Path, name: str) -> dict[str, TensorEntry]:
    """The tensors of a safetensors file in the order of their bytes.

    Args:
        path: an existing file.
        name: the file's name in messages.

    Raises:
        UnreadableDatasetError: the header is invalid, has no tensor, or does not assign every byte to a tensor;
            `origin` names the tensor at fault.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if not 2 <= length <= min(MAX_HEADER_BYTES, size - _LENGTH_BYTES):
            raise _unreadable(name, f"its header claims {length} bytes in a file of {size} bytes")
        header = _parse(file.read(length), name)
    entries = {key: _entry(key, value, name) for key, value in header.items() if key != "__metadata__"}
    if not entries:
        raise _unreadable(name, "it holds no tensor")
    end = 0
    ordered = sorted(entries.items(), key=lambda item: item[1][1])
    for key, (tensor, (first, last)) in ordered:
        if first != end or last - first != tensor.numbers * _ITEM_BYTES[tensor.dtype]:
            raise _unreadable(
                name, f"tensor {key!r} does not lie where the one before it ends, or has another size", key
            )
        end = last
    if end != size - _LENGTH_BYTES - length:
        raise _unreadable(name, f"its tensors have {end} bytes, the file has {size - _LENGTH_BYTES - length} for them")
    return {key: tensor for key, (tensor, _) in ordered}


def _parse(content: bytes, name: str) -> Mapping[str, Any]:
    try:
        header = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _unreadable(name, f"its header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise _unreadable(name, "its header is not a JSON object")
    return header


def _entry(key: str, value: Any, name: str) -> tuple[TensorEntry, tuple[int, int]]:
    try:
        dtype, shape, (first, last) = value["dtype"], value["shape"], value["data_offsets"]
        fine = dtype in _ITEM_BYTES and all(type(number) is int and number >= 0 for number in (*shape, first, last))
    except (TypeError, KeyError, ValueError):
        fine = False
    if not fine:
        raise _unreadable(name, f"tensor {key!r} has no known dtype, shape and data_offsets", key)
    return TensorEntry(dtype, tuple(shape)), (first, last)


def _unreadable(name: str, reason: str, key: str | None = None) -> UnreadableDatasetError:
    origin = name if key is None else f"{name}: {key}"
    return UnreadableDatasetError(f"{name} cannot be read as safetensors: {reason}", origin=origin)
