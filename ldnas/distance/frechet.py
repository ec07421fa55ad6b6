"""The Fréchet distance of two Fisher diagonals, and the contribution of each layer."""

import math

import torch
from torch import Tensor

from ldnas.distance.log_det import layer_names
from ldnas.fisher import FisherDiagonal


def frechet_distance(source: FisherDiagonal, target: FisherDiagonal) -> float:
    """d = (1/√2)·‖F_b^{1/2} − F_t^{1/2}‖₂, both diagonals scaled to unit trace; dimensionless, in [0, 1].

    The Fisher task distance of Le, Soltani, Dong & Tarokh, arXiv:2103.12827, in its form for diagonal matrices:
    F_b and F_t are the Fisher information of the source's and the target's network on the target's images. It is 0
    for diagonals that are proportional, bit for bit if they are equal, and 1 if no parameter is nonzero in both. For
    diagonals of unit trace it is the Hellinger distance of two distributions over parameters.

    Deviations: the authors' program averages each tensor to one number first, scales by the Euclidean norm instead of
    the trace, and returns d²; we follow the paper. A diagonal of zeros cannot be scaled: its distance is 0 from
    another one of zeros and 1 from any other.

    Raises:
        ValueError: the two diagonals are not of the same parameters, shapes and layers.
    """
    return math.fsum(share for _, share in frechet_shares(source, target))


def frechet_shares(source: FisherDiagonal, target: FisherDiagonal) -> tuple[tuple[str, float], ...]:
    """Each layer's name and share in `frechet_distance`, in the network's order; the shares add up to the distance.

    The share of layer l is d_l²/d with d_l² = ½·Σ_{j∈l} (√F_b^j − √F_t^j)², since Σ_l d_l² = d².

    Raises:
        ValueError: as for `frechet_distance`.
    """
    _require_alike(source, target)
    traces = _trace(source), _trace(target)
    # A diagonal of zeros stays zeros; the remaining Σ_j F^j is 1 and not the 2 that two scaled diagonals can reach.
    half = 0.5 if min(traces) > 0 else 1.0
    squares = [
        half * math.fsum(_squared_difference(source.blocks[name], target.blocks[name], traces) for name in names)
        for names in source.layers
    ]
    distance = math.sqrt(math.fsum(squares))
    shares = [square / distance if distance > 0 else 0.0 for square in squares]
    return tuple(zip(layer_names(source), shares, strict=True))


def _trace(fisher: FisherDiagonal) -> float:
    return math.fsum(float(block.double().sum()) for block in fisher.blocks.values())


def _squared_difference(source: Tensor, target: Tensor, traces: tuple[float, float]) -> float:
    ours, theirs = (_root(block, trace) for block, trace in zip((source, target), traces, strict=True))
    return float((ours - theirs).square().sum())


def _root(block: Tensor, trace: float) -> Tensor:
    return torch.sqrt(block.double() / trace) if trace > 0 else block.double()


def _require_alike(source: FisherDiagonal, target: FisherDiagonal) -> None:
    lone = sorted(source.blocks.keys() ^ target.blocks.keys())
    if lone:
        raise ValueError(f"parameters differ: {', '.join(lone)} occur in one network alone")
    for name, block in source.blocks.items():
        ours, theirs = tuple(block.shape), tuple(target.blocks[name].shape)
        if ours != theirs:
            raise ValueError(f"shapes differ: {name} has shape {ours} in the source and {theirs} in the target")
    if source.layers != target.layers:
        raise ValueError("layers differ: the parameters of the two networks are grouped into other layers")
