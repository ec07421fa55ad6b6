"""How much of a Parquet file from anyone may be unpacked at once, judged by its footer."""

import pyarrow.parquet as pq

from ldnas.data.readers.zip_archive import MAX_RATIO, MAX_UNPACKED_BYTES, RATIO_COUNTS_FROM_BYTES
from ldnas.errors import UnreadableDatasetError

_MOST_ROWS = 512  # bounds the encoded bytes in memory; the decoded images are kept anyway
_AT_ONCE_BYTES = 512 * 2**20


def rows_at_once(parquet: pq.ParquetFile, image_column: str, name: str) -> int:
    """How many rows to unpack at a time.

    A dictionary can stand for one large image in every row: where the images have one, so many rows as could all be as
    large as everything in their row group.

    Raises:
        UnreadableDatasetError: a column unpacks to more than `MAX_UNPACKED_BYTES`, or `MAX_RATIO` times what it takes.
    """
    metadata = parquet.metadata
    rows = _MOST_ROWS
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
            packed, unpacked = column.total_compressed_size, column.total_uncompressed_size
            if unpacked > MAX_UNPACKED_BYTES or unpacked > max(RATIO_COUNTS_FROM_BYTES, MAX_RATIO * packed):
                raise UnreadableDatasetError(
                    f"{name}: column {column.path_in_schema} unpacks to {unpacked} bytes from {packed}; at most "
                    f"{MAX_RATIO} times its size and {MAX_UNPACKED_BYTES} bytes are read",
                    origin=name,
                )
            is_image = column.path_in_schema.partition(".")[0] == image_column
            if is_image and any("DICTIONARY" in encoding for encoding in column.encodings):
                rows = min(rows, max(1, _AT_ONCE_BYTES // max(1, unpacked)))
    return rows
