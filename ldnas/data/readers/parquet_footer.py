"""Reads the column chunks from the footer of a Parquet file, without PyArrow, and limits how much is unpacked at once.

PyArrow's own way to them (`metadata.row_group(i).column(j)`, 26.0) ends the whole process where the statistics of a
chunk contradict each other: Python cannot catch the C++ exception.

Layout: `…footer, its length (4 bytes, little-endian), PAR1`; the footer is a struct in Thrift's compact protocol
(https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md) whose fields parquet-format's
`parquet.thrift` numbers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ldnas.data.readers.zip_archive import MAX_RATIO, MAX_UNPACKED_BYTES, RATIO_COUNTS_FROM_BYTES
from ldnas.errors import UnreadableDatasetError

_MOST_ROWS = 512  # bounds the encoded bytes in memory; the decoded images are kept anyway
_AT_ONCE_BYTES = 512 * 2**20

_TAIL_BYTES = 8
_DICTIONARIES = {2, 8}  # the encodings PLAIN_DICTIONARY and RLE_DICTIONARY
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_DEEPEST = 16  # parquet.thrift nests half as deep


@dataclass(frozen=True)
class ColumnChunk:
    """One column of one row group.

    Attributes:
        path: the names from the root of the schema to the column.
        packed_bytes, unpacked_bytes: all of its pages, compressed and not.
        has_dictionary: whether some of its pages are indices into a dictionary.
    """

    path: tuple[str, ...]
    packed_bytes: int
    unpacked_bytes: int
    has_dictionary: bool


def column_chunks(path: Path, name: str) -> list[ColumnChunk]:
    """Every column chunk of a file, row group after row group.

    Args:
        path: an existing file.
        name: the file's name in messages.

    Raises:
        UnreadableDatasetError: its footer is damaged, or encrypted.
    """
    try:
        groups = _Reader(_footer(path)).struct()[4]
        return [_chunk(chunk[3]) for group in groups for chunk in group[1]]
    except (LookupError, TypeError, ValueError) as error:
        raise UnreadableDatasetError(f"{name} cannot be read as Parquet: its footer is damaged", origin=name) from error


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


def _footer(path: Path) -> bytes:
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(0, end - _TAIL_BYTES))
        tail = file.read()
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != b"PAR1" or length > end - _TAIL_BYTES:
            raise ValueError("no footer")
        file.seek(end - _TAIL_BYTES - length)
        return file.read(length)


def _chunk(column: Any) -> ColumnChunk:
    packed, unpacked = column[7], column[6]
    if packed < 0 or unpacked < 0:
        raise ValueError("a negative size")
    path = tuple(part.decode() for part in column[3])
    return ColumnChunk(path, packed, unpacked, not _DICTIONARIES.isdisjoint(column[2]))


class _Reader:
    """Thrift's compact protocol: a struct becomes a dict by field number, a list a list, binary `bytes`.

    Every value takes at least one byte, so that no count can stand for more than there is.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Raises LookupError at the end of the bytes, ValueError where they make no sense."""
        if depth > _DEEPEST:
            raise ValueError("too deep")
        fields: dict[int, Any] = {}
        number = 0
        while header := self._byte():
            step, kind = header >> 4, header & 15
            number = number + step if step else self._zigzag()
            fields[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_I16, _I32, _I64):
            return self._zigzag()
        if kind == _BINARY:
            return self._take(self._varint())
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self._list(depth)
        if kind == _MAP:
            return self._map(depth)
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        if kind == _DOUBLE:
            return self._take(8)
        raise ValueError(f"no type {kind}")

    def _list(self, depth: int) -> list[Any]:
        header = self._byte()
        count = header >> 4 if header >> 4 < 15 else self._varint()
        if depth > _DEEPEST:
            raise ValueError("too deep")
        return [self._value(header & 15, depth + 1) for _ in range(count)]

    def _map(self, depth: int) -> list[Any]:
        count = self._varint()
        kinds = self._byte() if count else 0
        if depth > _DEEPEST:
            raise ValueError("too deep")
        return [(self._value(kinds >> 4, depth + 1), self._value(kinds & 15, depth + 1)) for _ in range(count)]

    def _byte(self) -> int:
        value = self._content[self._place]
        self._place += 1
        return value

    def _take(self, length: int) -> bytes:
        if length > len(self._content) - self._place:
            raise ValueError("cut short")
        self._place += length
        return self._content[self._place - length : self._place]

    def _varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise ValueError("a number of more than ten bytes")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
