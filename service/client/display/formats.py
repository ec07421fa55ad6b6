"""Text formats that all displays share."""

from collections.abc import Mapping
from typing import Any

SHORT_PRIMITIVES = {
    "identity": "id",
    "sep_conv_3x3": "sep3",
    "sep_conv_5x5": "sep5",
    "dil_conv_3x3": "dil3",
    "dil_conv_5x5": "dil5",
    "conv_7x1_1x7": "7x1",
    "max_pool_3x3": "max3",
    "avg_pool_3x3": "avg3",
}


def genotype_in_short(genotype: Mapping[str, Any]) -> str:
    """A cell in one line: the primitives of its six edges, in order."""
    return " ".join(SHORT_PRIMITIVES.get(primitive, primitive) for _, _, primitive in genotype["edges"])


def network_in_short(network: Mapping[str, Any]) -> str:
    """A network in one line: a cell by its primitives, another network by its name, and its width if it has one."""
    if genotype := network.get("genotype"):
        return genotype_in_short(genotype)
    design = network.get("design") or {}
    name, width = design.get("name") or network.get("kind") or "", design.get("width")
    return name if width is None else f"{name}, width {width}"


def image_size_of(network: Mapping[str, Any]) -> int | None:
    """Side of the network's square input in pixels; None if not known."""
    size: int | None = (network.get("skeleton") or network.get("design") or {}).get("image_size")
    return size


def spread(mean: float, std: float | None) -> str:
    """A distance with its spread over repetitions."""
    return f"{mean:.4f}" if std is None else f"{mean:.4f} ± {std:.4f}"


def one_line(text: str) -> str:
    """The text without line ends and other control characters."""
    return "".join(character if character.isprintable() else " " for character in text)
