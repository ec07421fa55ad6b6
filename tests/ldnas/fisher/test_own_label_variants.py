"""The exact and the Monte-Carlo diagonal, against expectations written out."""

import pytest
import torch
from torch import nn

from ldnas.errors import UnsupportedLayerError
from ldnas.fisher import exact_fisher_diagonal, monte_carlo_fisher_diagonal


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(64, 3))


@pytest.fixture
def images():
    return torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))


class UsedTwice(nn.Module):
    """Its convolution is used twice, so that the loop over samples treats it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)
        self.head = nn.Linear(48, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.convolution(torch.tanh(self.convolution(x)))).flatten(1))


def expectation(network, images, reference):
    """Σ_c p(c|x) F(x, c), averaged over images."""
    mean = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in network.named_parameters()}
    for image in images:
        one = image.unsqueeze(0)
        for label, probability in enumerate(network(one).detach().softmax(1)[0]):
            for name, block in reference(network, one, torch.tensor([label])).items():
                mean[name] += probability * block / len(images)
    return mean


def test_the_exact_diagonal_is_the_expectation_over_the_networks_own_labels(network, images, reference):
    expected = expectation(network, images, reference)
    diagonal = exact_fisher_diagonal(network, [images[:1], images[1:]], classes=3)
    assert diagonal.samples == 2
    for name, block in diagonal.blocks.items():
        torch.testing.assert_close(block.double(), expected[name], rtol=1e-4, atol=1e-7)


def test_the_monte_carlo_diagonal_approaches_the_exact_one(network, images):
    exact = exact_fisher_diagonal(network, [images], classes=3).blocks
    generator = torch.Generator().manual_seed(5)
    drawn = monte_carlo_fisher_diagonal(network, [images.repeat(2000, 1, 1, 1)], generator=generator).blocks
    for name, block in exact.items():
        assert torch.linalg.vector_norm(drawn[name] - block) < 0.05 * torch.linalg.vector_norm(block), name


def test_the_exact_diagonal_of_a_module_used_twice_is_the_same_expectation(images, reference):
    network = UsedTwice()
    expected = expectation(network, images, reference)
    for name, block in exact_fisher_diagonal(network, [images], classes=3).blocks.items():
        torch.testing.assert_close(block.double(), expected[name], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("by_loop", [False, True])
def test_the_monte_carlo_diagonal_is_the_empirical_one_at_the_labels_it_drew(by_loop, network, reference):
    network = UsedTwice() if by_loop else network
    images = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    # The loop draws image by image, the rules batch by batch.
    batches = images.split(1 if by_loop else 3)
    generator = torch.Generator().manual_seed(5)
    drawn = [torch.multinomial(network(batch).detach().softmax(1), 1, generator=generator) for batch in batches]
    labels = torch.cat(drawn).squeeze(1)
    assert len(labels.unique()) > 1
    expected = reference(network, images, labels)
    found = monte_carlo_fisher_diagonal(network, images.split(3), generator=torch.Generator().manual_seed(5))
    for name, block in found.blocks.items():
        torch.testing.assert_close(block.double(), expected[name], rtol=1e-4, atol=1e-7)


def test_equal_generators_draw_equal_diagonals(network, images):
    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        return monte_carlo_fisher_diagonal(network, [images], generator=generator).blocks["3.weight"]

    assert torch.equal(draw(1), draw(1))
    assert any(not torch.equal(draw(1), draw(seed)) for seed in range(2, 6))


def test_a_wrong_number_of_classes_is_refused(network, images):
    with pytest.raises(UnsupportedLayerError, match="3 logits where 4"):
        exact_fisher_diagonal(network, [images], classes=4)
