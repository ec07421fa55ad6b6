"""Limits how much of an untrusted Parquet file is unpacked at once, based on its footer."""

from pathlib import Path

from ldnas.data.readers.parquet_footer import column_chunks
from ldnas.data.readers.zip_archive import MAX_RATIO, MAX_UNPACKED_BYTES, RATIO_COUNTS_FROM_BYTES
from ldnas.errors import UnreadableDatasetError

_MOST_ROWS = 512  # bounds the encoded bytes in memory; the decoded images are kept anyway
_AT_ONCE_BYTES = 512 * 2**20


def rows_at_once(path: Path, image_column: str, name: str) -> int:
    """How many rows of a file to unpack at a time.

    A dictionary can hold one large image that every row repeats. If the image column has a dictionary, the number
    assumes that every row is as large as its whole row group.

    Raises:
        UnreadableDatasetError: a column unpacks to more than `MAX_UNPACKED_BYTES`, or `MAX_RATIO` times its packed
            size; or the footer is damaged.
    """
    rows = _MOST_ROWS
    for column in column_chunks(path, name):
        packed, unpacked = column.packed_bytes, column.unpacked_bytes
        if unpacked > MAX_UNPACKED_BYTES or unpacked > max(RATIO_COUNTS_FROM_BYTES, MAX_RATIO * packed):
            raise UnreadableDatasetError(
                f"{name}: column {'.'.join(column.path)} unpacks to {unpacked} bytes from {packed}; at most "
                f"{MAX_RATIO} times its size and {MAX_UNPACKED_BYTES} bytes are read",
                origin=name,
            )
        if column.path[:1] == (image_column,) and column.has_dictionary:
            rows = min(rows, max(1, _AT_ONCE_BYTES // max(1, unpacked)))
    return rows
