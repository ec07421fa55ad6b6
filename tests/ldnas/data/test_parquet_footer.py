"""The footer of a Parquet file: what PyArrow says of a sound one, and a refusal for every other."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ldnas.data.readers.parquet import read_parquet
from ldnas.data.readers.parquet_footer import column_chunks
from ldnas.data.reference import DatasetReference
from ldnas.errors import RefusedError, UnreadableDatasetError


def table(rows: int) -> pa.Table:
    cells = [{"bytes": bytes([row % 7]) * 50, "path": None} for row in range(rows)]
    return pa.table({"image": cells, "label": [row % 2 for row in range(rows)], "a.b": ["x"] * rows})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "none", "use_dictionary": False},
        {"row_group_size": 30, "compression": "zstd", "write_page_index": True},
        {"use_dictionary": ["label"], "data_page_version": "2.0", "sorting_columns": [pq.SortingColumn(1)]},
    ],
)
def test_every_chunk_is_what_pyarrow_says_it_is(tmp_path: Path, options: dict) -> None:
    pq.write_table(table(100), tmp_path / "a.parquet", **options)
    metadata = pq.read_metadata(tmp_path / "a.parquet")
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    said = [group.column(place) for group in groups for place in range(metadata.num_columns)]
    read = column_chunks(tmp_path / "a.parquet", "a.parquet")
    assert [".".join(chunk.path) for chunk in read] == [chunk.path_in_schema for chunk in said]
    assert [chunk.packed_bytes for chunk in read] == [chunk.total_compressed_size for chunk in said]
    assert [chunk.unpacked_bytes for chunk in read] == [chunk.total_uncompressed_size for chunk in said]
    assert [chunk.has_dictionary for chunk in read] == [
        any("DICTIONARY" in encoding for encoding in chunk.encodings) for chunk in said
    ]
    assert read[-1].path == ("a.b",)


@pytest.mark.parametrize("value", [0, 36, 255])
def test_a_footer_with_any_byte_changed_is_read_or_refused_and_ends_no_process(tmp_path: Path, value: int) -> None:
    pq.write_table(table(4), tmp_path / "a.parquet", compression="none")
    sound = (tmp_path / "a.parquet").read_bytes()
    first = len(sound) - 8 - int.from_bytes(sound[-8:-4], "little")
    refused = 0
    for place in range(first, len(sound)):
        damaged = bytearray(sound)
        damaged[place] = value
        (tmp_path / "b.parquet").write_bytes(damaged)
        try:
            reference = DatasetReference("dataset://b")
            for _ in read_parquet(tmp_path / "b.parquet", reference, [tmp_path], name="b"):
                pass
        except RefusedError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    "footer",
    [
        b"",
        b"\x00",  # no field
        b"\x49\xfc\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # row groups: a list of 2^63 structs
        b"\x49" + b"\x19" * 100,  # lists in lists in lists
        b"\x1c" * 100,  # structs in structs in structs
        b"\x16" + b"\xff" * 100,  # a number without an end
        b"\x18\xff\xff\x7f",  # more bytes than there are
        b"\x4f",  # no such type
    ],
)
def test_a_malformed_footer_is_refused(tmp_path: Path, footer: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(UnreadableDatasetError, match="its footer is damaged"):
        column_chunks(tmp_path / "a.parquet", "a.parquet")
