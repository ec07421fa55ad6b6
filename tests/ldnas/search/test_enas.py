"""ENAS: what REINFORCE teaches the controller, and the search around it."""

import math
from collections import Counter

import pytest
import torch

from ldnas.errors import InvalidSearchError
from ldnas.search.enas import Enas, EnasConfig, Policy
from ldnas.search.paths import PathMask
from ldnas.space.constraints import Constraints
from ldnas.space.feasible_cells import FeasibleCells
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import SearchSpace

SEEDS = (0, 1)
SPACE = SearchSpace(("identity", "sep_conv_3x3", "max_pool_3x3"))
HIDDEN = Genotype(("identity", "max_pool_3x3", "sep_conv_3x3", "sep_conv_3x3", "identity", "max_pool_3x3"))


def matches(genotype):
    """The fraction of edges on which a cell agrees with the hidden one."""
    return sum(own == hidden for own, hidden in zip(genotype.primitives, HIDDEN.primitives, strict=True)) / 6


def cells(space=SPACE, **limits):
    return FeasibleCells(space, Skeleton(8, 2, 4, (Stage(4, 1),)), Constraints(**limits))


def trained_policy(reward_of, seed, *, steps=200, **settings):
    policy = Policy(cells(), EnasConfig(**settings), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        policy.step(reward_of, generator)
    return policy


def mean_match(policy):
    drawn = policy.draw(200, torch.Generator().manual_seed(9))
    return sum(matches(genotype) for genotype in drawn) / 200


def test_the_controller_learns_the_hidden_cell_from_rewards_and_nothing_from_shuffled_ones():
    listed = list(SPACE)
    for seed in SEEDS:
        order = torch.randperm(len(listed), generator=torch.Generator().manual_seed(seed)).tolist()
        shuffled = {cell: matches(listed[other]) for cell, other in zip(listed, order, strict=True)}
        learnt = trained_policy(matches, seed)
        control = trained_policy(lambda genotype, rewards=shuffled: rewards[genotype], seed)
        assert mean_match(learnt) > 0.7
        assert mean_match(learnt) > mean_match(control) + 0.2


def test_a_fresh_controller_draws_nearly_uniformly():
    assert mean_match(Policy(cells(), EnasConfig(), seed=0)) == pytest.approx(1 / 3, abs=0.06)


def test_the_entropy_bonus_keeps_the_controller_undecided():
    def entropy(policy):
        return float(policy.controller.sample(100, torch.Generator().manual_seed(0)).entropies.detach().mean())

    plain, bonus = (trained_policy(matches, 0, steps=100, entropy_weight=weight) for weight in (0.0, 0.5))
    assert entropy(bonus) > entropy(plain) + 0.3


def test_a_step_follows_the_gradient_of_the_rewarded_log_probability():
    policy = Policy(cells(), EnasConfig(policy_samples=5, entropy_weight=0.0), seed=0)
    generator = torch.Generator().manual_seed(4)
    sampled = policy.controller.sample(5, torch.Generator().manual_seed(4))
    rewards = torch.tensor(
        [matches(Genotype(tuple(SPACE.primitives[index] for index in path))) for path in sampled.paths.tolist()]
    )
    (-((rewards - rewards.mean()) * sampled.log_probabilities).mean()).backward()  # the first baseline is the mean
    expected = [parameter.grad.clone() for parameter in policy.controller.parameters()]
    policy.step(matches, generator)
    for parameter, gradient in zip(policy.controller.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_log_probabilities_are_those_of_the_drawn_primitives_and_sum_to_one():
    controller = Policy(cells(SearchSpace(("identity", "max_pool_3x3"))), EnasConfig(), seed=0).controller
    sampled = controller.sample(3000, torch.Generator().manual_seed(0))
    by_path = {
        tuple(path): log.exp().item()
        for path, log in zip(sampled.paths.tolist(), sampled.log_probabilities.detach(), strict=True)
    }
    assert len(by_path) == 64
    assert sum(by_path.values()) == pytest.approx(1, abs=1e-4)


def test_under_constraints_log_probabilities_are_those_of_the_distribution_drawn_from():
    space = SearchSpace(("identity", "sep_conv_3x3"))
    few = cells(space, max_parameters=186)  # 126 without a convolution, 60 with each: one at most
    assert few.size == 7
    policy = Policy(few, EnasConfig(), seed=0)
    sampled = policy.controller.sample(4000, torch.Generator().manual_seed(0), PathMask(few))
    drawn = Counter(map(tuple, sampled.paths.tolist()))
    probability = dict(zip(map(tuple, sampled.paths.tolist()), sampled.log_probabilities.exp().tolist(), strict=True))
    assert {Genotype(tuple(space.primitives[index] for index in path)) for path in drawn} == set(few)
    assert sum(probability.values()) == pytest.approx(1, abs=1e-4)
    assert all(drawn[path] / 4000 == pytest.approx(own, abs=0.03) for path, own in probability.items())
    # The chain rule: the mean entropy of the steps is that of the whole.
    entropy = -sum(own * math.log(own) for own in probability.values())
    assert float(sampled.entropies.detach().mean()) == pytest.approx(entropy, abs=0.03)


def test_a_masked_step_of_the_controller_leaves_finite_weights():
    policy = Policy(cells(SPACE, max_parameters=186), EnasConfig(entropy_weight=0.1), seed=0)
    policy.step(matches, torch.Generator().manual_seed(0))
    assert all(parameter.isfinite().all() for parameter in policy.controller.parameters())


def test_it_finds_the_planted_cell_and_its_controller_beats_a_shuffled_control(
    planted_problem, control_problem, planted_edges, run_search
):
    strategy = Enas(EnasConfig(iterations=10, batch_size=32))
    learnt = [run_search(strategy, planted_problem, seed) for seed in SEEDS]
    control = [run_search(strategy, control_problem, seed) for seed in SEEDS]

    def drawn(outcomes):
        last = [genotype for outcome in outcomes for genotype in outcome.history[-1].genotypes]
        return sum(planted_edges(genotype) for genotype in last) / len(last)

    assert min(planted_edges(outcome.best) for outcome in learnt) >= 5
    assert drawn(learnt) > 4.5
    assert drawn(learnt) > drawn(control) + 1


@pytest.mark.parametrize(
    "wrong", [{"candidates": 0}, {"baseline_decay": 1.0}, {"entropy_weight": -0.1}, {"policy_samples": 0}]
)
def test_impossible_settings_are_refused_by_name(wrong):
    with pytest.raises(InvalidSearchError) as refusal:
        EnasConfig(**wrong)
    assert refusal.value.field == f"search.{next(iter(wrong))}"
