"""The genotype: which primitive sits on each of a cell's six edges. Needs no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ldnas.digests import json_digest
from ldnas.errors import InvalidGenotypeError

PRIMITIVES = (
    "identity",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "conv_7x1_1x7",
    "max_pool_3x3",
    "avg_pool_3x3",
)

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""The edges (from, to) over nodes 0 to 3, sorted by their end; node 0 is the input, node 3 the output."""


@dataclass(frozen=True)
class Genotype:
    """One cell: a primitive for every edge, in the order of `EDGES`.

    Raises:
        InvalidGenotypeError: not six primitives, or one that is unknown.
    """

    primitives: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.primitives) != len(EDGES):
            raise InvalidGenotypeError(
                f"a cell has {len(EDGES)} edges, not {len(self.primitives)}", field="genotype.edges"
            )
        for index, primitive in enumerate(self.primitives):
            _require_primitive(primitive, f"genotype.edges[{index}]", EDGES[index])

    @classmethod
    def from_json(cls, value: Any, *, field: str = "genotype") -> Self:
        """The genotype written as `{"edges": [[0, 1, "sep_conv_3x3"], …]}`; the edges may come in any order.

        Args:
            value: the JSON value.
            field: the request field it came from, for the error (`genotypes[0]`).

        Raises:
            InvalidGenotypeError: the value does not have each of the six edges once, with a known primitive.
        """
        if not isinstance(value, Mapping) or set(value) != {"edges"} or not _is_list(value["edges"]):
            raise InvalidGenotypeError(
                'a genotype is an object with one key, "edges": six lists of [from, to, primitive]', field=field
            )
        found: dict[tuple[int, int], str] = {}
        for index, item in enumerate(value["edges"]):
            edge, primitive = _parse_edge(item, f"{field}.edges[{index}]")
            if edge in found:
                raise InvalidGenotypeError(f"edge {edge} is given twice", field=f"{field}.edges[{index}]")
            found[edge] = primitive
        missing = [edge for edge in EDGES if edge not in found]
        if missing:
            raise InvalidGenotypeError(f"edges without a primitive: {missing}", field=f"{field}.edges")
        return cls(tuple(found[edge] for edge in EDGES))

    def to_json(self) -> dict[str, Any]:
        """The genotype as a JSON value, its edges in the order of `EDGES`."""
        return {"edges": [[*edge, primitive] for edge, primitive in zip(EDGES, self.primitives, strict=True)]}

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the JSON value: equal cells have equal digests."""
        return json_digest(self.to_json())


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _parse_edge(item: Any, field: str) -> tuple[tuple[int, int], str]:
    if not _is_list(item) or len(item) != 3:
        raise InvalidGenotypeError("an edge is a list of [from, to, primitive]", field=field)
    start, end, primitive = item
    # `True` is an `int` that equals 1, and 1.0 equals it too: neither names a node.
    if type(start) is not int or type(end) is not int or (start, end) not in EDGES:
        raise InvalidGenotypeError(f"no edge from {start!r} to {end!r}; the edges are {list(EDGES)}", field=field)
    _require_primitive(primitive, field, (start, end))
    return (start, end), primitive


def _require_primitive(primitive: Any, field: str, edge: tuple[int, int]) -> None:
    if not isinstance(primitive, str) or primitive not in PRIMITIVES:
        raise InvalidGenotypeError(
            f"edge {edge} has no primitive {primitive!r}; known are {', '.join(PRIMITIVES)}", field=field
        )
