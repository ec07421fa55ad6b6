"""The convex head that makes networks of different tasks comparable on one target."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def fit_probe(features: Tensor, labels: Tensor, *, classes: int, l2: float) -> nn.Linear:
    """A multinomial logistic head for raw features `[N, D]` and labels `[N]`, in float32.

    Minimises (1/N) Σ_i cross-entropy(W z_i + b, y_i) + l2/2 · ‖W‖² over standardised features z by L-BFGS from zero,
    in float64, and folds the standardisation into the returned layer. The problem is convex and starts from a point
    that treats all classes equally, so renumbering the classes only permutes the rows of the result.
    """
    features = features.double()
    mean = features.mean(dim=0)
    deviation = features.std(dim=0, correction=0).clamp_min(1e-6)
    standardised = (features - mean) / deviation
    weight = torch.zeros(classes, features.shape[1], dtype=torch.float64, device=features.device, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, device=features.device, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=300, tolerance_grad=1e-7, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(standardised @ weight.T + bias, labels) + l2 / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(objective)
    head = nn.Linear(features.shape[1], classes, device=features.device)
    with torch.no_grad():
        folded = weight / deviation
        head.weight.copy_(folded)
        head.bias.copy_(bias - folded @ mean)
    return head
