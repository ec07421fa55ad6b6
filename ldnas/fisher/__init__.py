"""The diagonal of the Fisher information, from exact per-sample gradients."""

from ldnas.fisher.diagonal import FisherDiagonal
from ldnas.fisher.empirical import empirical_fisher_diagonal

__all__ = ["FisherDiagonal", "empirical_fisher_diagonal"]
