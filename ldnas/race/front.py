"""The Pareto front of networks by several costs. Needs no torch."""

from collections.abc import Sequence


def on_front(costs: Sequence[Sequence[float]]) -> list[bool]:
    """For each network whether no other one is at least as good in every cost, and better in one; less is better."""
    return [not any(_dominates(other, own) for other in costs) for own in costs]


def _dominates(other: Sequence[float], own: Sequence[float]) -> bool:
    pairs = list(zip(other, own, strict=True))
    return all(first <= second for first, second in pairs) and any(first < second for first, second in pairs)
