"""The diagonal of the Fisher information, from exact per-sample gradients."""

from ldnas.fisher.batch_mean import batch_mean_squares
from ldnas.fisher.diagonal import FisherDiagonal
from ldnas.fisher.empirical import empirical_fisher_diagonal
from ldnas.fisher.exact import exact_fisher_diagonal
from ldnas.fisher.monte_carlo import monte_carlo_fisher_diagonal

__all__ = [
    "FisherDiagonal",
    "batch_mean_squares",
    "empirical_fisher_diagonal",
    "exact_fisher_diagonal",
    "monte_carlo_fisher_diagonal",
]
