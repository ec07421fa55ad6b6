"""The header of a safetensors file, read without torch."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from ldnas.errors import UnreadableDatasetError
from ldnas.networks.weights_file import TensorEntry, read_weights_header


def write(path: Path, header: object, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def test_names_types_and_shapes_are_those_that_were_saved(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(save({"b": np.zeros((2, 3), np.float32), "a": np.int64(7)[None], "c": np.zeros(0, np.uint8)}))
    entries = read_weights_header(path, "w")
    assert entries == {
        "a": TensorEntry("I64", (1,)),
        "b": TensorEntry("F32", (2, 3)),
        "c": TensorEntry("U8", (0,)),
    }
    assert entries["b"].numbers == 6


def one(**changes: object) -> dict[str, object]:
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


@pytest.mark.parametrize(
    ("header", "data", "reason"),
    [
        (b"{no json", bytes(8), "is not JSON"),
        (b"[" * 100_000, bytes(8), "is not JSON"),
        ([1], bytes(8), "is not a JSON object"),
        ({"__metadata__": {}}, b"", "holds no tensor"),
        (one(), bytes(7), "the file has 7"),
        (one(), bytes(9), "the file has 9"),
        (one(data_offsets=[4, 12]), bytes(12), "does not lie where"),
        (one(shape=[3]), bytes(8), "has another size"),
        (one(shape=[-2]), bytes(8), "no known dtype"),
        (one(shape=[True, 2]), bytes(8), "no known dtype"),
        (one(dtype="complex"), bytes(8), "no known dtype"),
        (one(dtype=["F32"]), bytes(8), "no known dtype"),
        ({"w": 3}, bytes(8), "no known dtype"),
        ({**one(), "v": one()["w"]}, bytes(8), "does not lie where"),
    ],
)
def test_a_file_that_does_not_say_of_every_byte_what_it_is_is_refused(
    tmp_path: Path, header: object, data: bytes, reason: str
) -> None:
    with pytest.raises(UnreadableDatasetError, match=reason):
        read_weights_header(write(tmp_path / "w", header, data), "w")


def test_a_header_longer_than_the_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(struct.pack("<Q", 2**63) + b"{}")
    with pytest.raises(UnreadableDatasetError, match="its header claims"):
        read_weights_header(tmp_path / "w", "w")
