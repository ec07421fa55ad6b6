"""The probe: it solves the problem that it states, and the numbering of classes cannot matter."""

import pytest
import torch
from torch.nn import functional as F

from ldnas.distance.observation import fit_probe

L2 = 1e-2


def blobs(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(90) % 3
    centres = torch.tensor([[0.0, 5.0, 1.0, 0.0], [3.0, 0.0, 1.0, 1.0], [0.0, 0.0, 4.0, 2.0]])
    features = centres[labels] + torch.randn(90, 4, generator=generator) * torch.tensor([1.0, 2.0, 1.0, 5.0])
    return features, labels


def test_the_probe_is_where_the_gradient_of_its_objective_vanishes() -> None:
    features, labels = blobs(0)
    head = fit_probe(features, labels, classes=3, l2=L2)
    mean, deviation = features.double().mean(0), features.double().std(0, correction=0)
    weight = (head.weight.detach().double() * deviation).requires_grad_()
    bias = (head.bias.detach().double() + head.weight.detach().double() @ mean).requires_grad_()
    standardised = (features.double() - mean) / deviation
    loss = F.cross_entropy(standardised @ weight.T + bias, labels) + L2 / 2 * weight.square().sum()
    loss.backward()
    assert weight.grad is not None
    assert bias.grad is not None
    assert float(weight.grad.abs().max()) < 1e-5
    assert float(bias.grad.abs().max()) < 1e-5


def test_renumbering_the_classes_permutes_the_rows_of_the_probe() -> None:
    features, labels = blobs(1)
    renumbering = torch.tensor([2, 0, 1])
    head = fit_probe(features, labels, classes=3, l2=L2)
    renumbered = fit_probe(features, renumbering[labels], classes=3, l2=L2)
    assert torch.allclose(renumbered.weight[renumbering], head.weight, atol=1e-5)
    assert torch.allclose(renumbered.bias[renumbering], head.bias, atol=1e-5)


def test_a_feature_that_never_varies_does_no_harm() -> None:
    features, labels = blobs(2)
    features[:, 3] = 7.0
    head = fit_probe(features, labels, classes=3, l2=L2)
    assert torch.isfinite(head.weight).all()
    assert (head(features).argmax(1) == labels).double().mean() > 0.8


@pytest.mark.parametrize("classes", [2, 5])
def test_the_probe_has_a_row_for_every_class_of_the_target(classes: int) -> None:
    features = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    assert fit_probe(features, torch.arange(40) % classes, classes=classes, l2=L2).out_features == classes
