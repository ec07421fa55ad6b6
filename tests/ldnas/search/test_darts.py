"""DARTS: its second-order gradient, what α learns, and its rules."""

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchProblem
from ldnas.search.darts import Darts, DartsConfig, DartsLearner, unrolled_gradient
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import SearchSpace
from ldnas.space.supernet import build_supernet

RATE = 0.1
SEEDS = (0, 1, 2)


@pytest.fixture
def tiny(monkeypatch):
    """A supernet, α, and two batches, in float64; smooth, since autograd does not see ReLU's kinks."""
    monkeypatch.setattr(torch, "relu", F.softplus)
    monkeypatch.setattr(torch.nn.ReLU, "forward", lambda self, inputs: F.softplus(inputs))
    torch.manual_seed(0)
    space = SearchSpace(("identity", "sep_conv_3x3", "avg_pool_3x3"))
    network = build_supernet(space, Skeleton(8, 3, 3, (Stage(3, 1), Stage(4, 1))), seed=1).double()
    alpha = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    batches = [(torch.randn(6, 3, 8, 8, dtype=torch.float64), torch.arange(6) % 3) for _ in range(2)]
    return network, alpha, batches


def looking_ahead(train_loss, validation_loss, network, alpha):
    def gradient_of(loss):
        return lambda alpha, inputs: torch.autograd.grad(loss(alpha), inputs)

    gradients = gradient_of(train_loss), gradient_of(validation_loss)
    return unrolled_gradient(*gradients, list(network.parameters()), alpha, rate=RATE)


def losses(network, batches):
    return [
        lambda alpha, inputs=inputs, labels=labels: F.cross_entropy(network(inputs, alpha.softmax(dim=1)), labels)
        for inputs, labels in batches
    ]


def exact_gradient(network, alpha, batches):
    """∇_α of the validation loss after one unrolled step, differentiated through that step."""
    weights = dict(network.named_parameters())

    def loss(values, batch):
        return F.cross_entropy(functional_call(network, values, (batch[0], alpha.softmax(dim=1))), batch[1])

    slopes = torch.autograd.grad(loss(weights, batches[0]), list(weights.values()), create_graph=True)
    ahead = {name: weight - RATE * slope for (name, weight), slope in zip(weights.items(), slopes, strict=True)}
    return torch.autograd.grad(loss(ahead, batches[1]), alpha)[0]


def test_the_second_order_gradient_is_that_through_one_unrolled_step(tiny):
    network, alpha, batches = tiny
    found = looking_ahead(*losses(network, batches), network, alpha)
    exact = exact_gradient(network, alpha, batches)
    assert (found - exact).norm() <= 1e-2 * exact.norm()


def test_the_second_order_gradient_is_neither_the_first_order_one_nor_that_at_the_unrolled_weights(tiny):
    network, alpha, batches = tiny
    train_loss, validation_loss = losses(network, batches)
    found = looking_ahead(train_loss, validation_loss, network, alpha)
    first = torch.autograd.grad(validation_loss(alpha), alpha)[0]
    assert (found - first).norm() > 0.1 * first.norm()
    slopes = torch.autograd.grad(train_loss(alpha), list(network.parameters()))
    with torch.no_grad():
        for weight, slope in zip(network.parameters(), slopes, strict=True):
            weight -= RATE * slope
    unrolled = torch.autograd.grad(validation_loss(alpha), alpha)[0]
    assert (found - unrolled).norm() > 0.05 * unrolled.norm()


def test_looking_ahead_leaves_the_weights_as_they_were_to_the_bit(tiny):
    network, alpha, batches = tiny
    before = [weight.detach().clone() for weight in network.parameters()]
    looking_ahead(*losses(network, batches), network, alpha)
    assert all(torch.equal(weight, kept) for weight, kept in zip(network.parameters(), before, strict=True))
    assert all(weight.grad is None for weight in network.parameters())


def test_a_look_ahead_that_is_broken_off_leaves_the_weights_as_they_were_to_the_bit(tiny):
    network, alpha, batches = tiny
    before = [weight.detach().clone() for weight in network.parameters()]
    train_loss, _ = losses(network, batches)

    def break_off(alpha):
        raise MemoryError

    with pytest.raises(MemoryError):
        looking_ahead(train_loss, break_off, network, alpha)
    assert all(torch.equal(weight, kept) for weight, kept in zip(network.parameters(), before, strict=True))


def test_both_orders_start_alike_and_part_with_the_first_step(planted_problem):
    learners = [
        DartsLearner(planted_problem, DartsConfig(batch_size=256), alpha_learning_rate=0.02, order=order, seed=0)
        for order in (1, 2)
    ]
    assert torch.equal(learners[0].alpha, learners[1].alpha)
    for learner in learners:
        learner.learn(0)
    assert not torch.equal(learners[0].alpha, learners[1].alpha)


@pytest.mark.parametrize("order", [1, 2])
def test_it_finds_the_planted_cell_and_its_alpha_beats_a_shuffled_control(
    order, planted_problem, control_problem, planted_edges, run_search
):
    strategy = Darts(DartsConfig(iterations=6, batch_size=32, order=order))
    learnt = [run_search(strategy, planted_problem, seed) for seed in SEEDS]
    control = [run_search(strategy, control_problem, seed) for seed in SEEDS]
    assert [planted_edges(outcome.best) for outcome in learnt] == [6] * len(SEEDS)
    # The first of the two primitives is the planted one.
    weights, chance = (
        torch.tensor([outcome.history[-1].edge_weights for outcome in outcomes])[..., 0].mean()
        for outcomes in (learnt, control)
    )
    assert weights > 0.75
    assert weights > chance + 0.15
    assert sum(planted_edges(outcome.best) for outcome in control) < 6 * len(SEEDS)


def test_the_cell_is_the_argmax_of_alpha_on_every_edge(planted_problem, run_search):
    primitives = planted_problem.space.primitives
    outcome = run_search(Darts(DartsConfig(iterations=3, batch_size=64)), planted_problem, 0)
    for record in outcome.history:
        chosen = tuple(primitives[weights.index(max(weights))] for weights in record.edge_weights)
        assert record.incumbent.primitives == chosen
        assert record.genotypes == (record.incumbent,)
        assert all(sum(weights) == pytest.approx(1) for weights in record.edge_weights)
    assert outcome.best == outcome.history[-1].incumbent


def test_the_search_ends_with_its_schedule(planted_problem, run_search):
    outcome = run_search(Darts(DartsConfig(iterations=2, weight_epochs=2, batch_size=128)), planted_problem, 0)
    assert outcome.iterations == 2
    assert {score.epochs for score in outcome.scored} <= {2, 4}


def test_the_learning_rate_falls_over_the_schedule_on_a_cosine(planted_problem):
    shared = DartsLearner(planted_problem, DartsConfig(iterations=10), alpha_learning_rate=0.02, seed=0).shared
    rates = [shared.learning_rate(iteration) for iteration in range(11)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[5] == pytest.approx(0.052)
    assert rates[10] == pytest.approx(0.004)
    assert rates == sorted(rates, reverse=True)


def test_scores_do_not_hang_on_the_order_of_the_validation_images_classes(planted_problem):
    by_class = planted_problem.validation.labels.argsort(stable=True)
    ordered = SearchProblem(
        planted_problem.train,
        planted_problem.validation.subset(by_class),
        planted_problem.space,
        planted_problem.skeleton,
    )
    config = DartsConfig(batch_size=32)
    for problem in (planted_problem, ordered):
        learner = DartsLearner(problem, config, alpha_learning_rate=0.02, seed=0)
        for iteration in range(3):
            for inputs, labels in learner.shared.training_batches(iteration):
                learner.shared.step(inputs, labels, learner.alpha.detach().softmax(dim=1))
        cell = learner.candidates(0, None)[0]
        assert learner.shared.score(cell, epochs=3).validation_accuracy > 0.6


@pytest.mark.parametrize(
    "wrong", [{"order": 3}, {"alpha_learning_rate": 0.0}, {"iterations": 0}, {"weight_epochs": 0}, {"batch_size": -1}]
)
def test_impossible_settings_are_refused_by_name(wrong):
    with pytest.raises(InvalidSearchError) as refusal:
        DartsConfig(**wrong)
    assert refusal.value.field == f"search.{next(iter(wrong))}"
