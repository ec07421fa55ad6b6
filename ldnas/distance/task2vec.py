"""Task2Vec: networks as vectors of the Fisher information of their filters (Achille et al., arXiv:1902.03545).

The paper embeds each *task*: one probe network, its head fitted to the task, on the task's own images. Here the two
embeddings are those of two *networks*, the source's and the target's, on the target's images, with a head fitted to
the target; so the distance compares how useful each network's filters are for one target. The embedded Fisher
information is that of the recipe (empirical by default; the authors draw labels from the network or fit a variational
bound).
"""

import torch
from torch import Tensor

from ldnas.fisher import FisherDiagonal

ALPHA = 0.15
"""α of the asymmetric distance: the paper's choice, found with a ResNet-34 trained on ImageNet as probe."""


def task2vec_embedding(fisher: FisherDiagonal) -> Tensor:
    """The Fisher diagonal averaged within each filter, `[filters]` in float64, in nats² per squared unit of weight.

    Parameters come in the order of their names. A filter is one output channel of a convolution or linear weight.
    As in the authors' program (awslabs/aws-cv-task2vec), the weights of norms count with one entry per channel, and
    biases are left out. Theirs leaves out the classifier too; here the recipe decides, and by default counts the
    backbone alone.

    Raises:
        ValueError: no parameter is a weight.
    """
    weights = [fisher.blocks[name] for name in sorted(fisher.blocks) if name.rpartition(".")[2] == "weight"]
    if not weights:
        raise ValueError(f"no parameter is called weight; Task2Vec embeds weights alone, of {', '.join(fisher.blocks)}")
    return torch.cat([block.double().reshape(len(block), -1).mean(dim=1) for block in weights])


def task2vec_symmetric(first: Tensor, second: Tensor) -> float:
    """d_sym(a, b) = d_cos(F_a/(F_a+F_b), F_b/(F_a+F_b)), division by entry; dimensionless, in [0, 1].

    The symmetric distance of Achille et al., arXiv:1902.03545. d_cos(x, y) = 1 − x·y/(‖x‖‖y‖), computed as
    ½‖x/‖x‖ − y/‖y‖‖², which is exactly 0 for equal embeddings and exactly symmetric. It ignores a common scale: the
    distance from F to c·F is 0.

    Deviation: the authors' program adds 1e-8 to each denominator, which is not small compared with the Fisher
        information of a large network; here nothing is added. A filter that is zero in both embeddings is ignored, as
        in the limit of their formula. An embedding of zeros has distance 0 from another one of zeros and 1 from any
        other.

    Args:
        first: `[filters]`, from `task2vec_embedding`.
        second: the same.

    Raises:
        ValueError: the embeddings are not of the same number of filters.
    """
    if first.shape != second.shape:
        raise ValueError(f"filters differ: {len(first)} in one network and {len(second)} in the other")
    total = first + second
    total = torch.where(total > 0, total, 1.0)
    ours, theirs = _unit(first / total), _unit(second / total)
    if ours is None or theirs is None:
        return 0.0 if ours is theirs else 1.0
    return min(1.0, float((ours - theirs).square().sum()) / 2)


def task2vec_asymmetric(source: Tensor, target: Tensor) -> float:
    """d_asym(a→b) = d_sym(a, b) − α·d_sym(a, t0) with α = 0.15; dimensionless, in [−0.15, 1].

    The asymmetric distance of Achille et al., arXiv:1902.03545: of two sources equally far from the target, the one
    farther from the trivial embedding t0, the more complex one, is the nearer. From an embedding to itself it is
    −α·d_sym(a, t0), not 0; the measure of the service subtracts that.

    t0: in the authors' program the trivial embedding has the Fisher information of the prior over weights in every
    filter (`get_trivial_embedding_from`), and the prior's is 1 wherever it is not fitted (`scale` of the Monte-Carlo
    estimate). So t0 is 1 everywhere here. Usually F ≪ 1 in comparison, and d_sym(a, t0) is then 1 −
    mean(F_a)/√mean(F_a²): how unevenly the information is spread over the filters. An embedding of zeros belongs to a
    task with nothing to learn, so its distance from t0 is 0.

    Args:
        source: `[filters]`, a, from `task2vec_embedding`.
        target: b, the same.

    Raises:
        ValueError: the embeddings are not of the same number of filters.
    """
    complexity = task2vec_symmetric(source, torch.ones_like(source)) if source.any() else 0.0
    return task2vec_symmetric(source, target) - ALPHA * complexity


def _unit(vector: Tensor) -> Tensor | None:
    """The vector scaled to length 1; None for a vector of zeros."""
    length = vector.norm()
    return vector / length if length > 0 else None
