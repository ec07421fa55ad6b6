"""FUSE against an uncached loop that runs the networks, and its rules: incumbent, stopping, settings."""

import copy

import pytest
import torch
from torch.nn import functional as F

from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchBudget, SearchProblem
from ldnas.search.candidates import fresh_candidates, train_epoch, validation_logits
from ldnas.search.fuse import Fuse, FuseConfig
from ldnas.search.mixture import relaxed_loss, step_alpha
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import SearchSpace

GENOTYPES = (
    Genotype(("sep_conv_3x3", "identity", "max_pool_3x3", "identity", "sep_conv_3x3", "identity")),
    Genotype(("dil_conv_3x3", "avg_pool_3x3", "identity", "sep_conv_5x5", "identity", "identity")),
    Genotype(("identity",) * 6),
)
SPACE = SearchSpace(("identity", "sep_conv_3x3", "max_pool_3x3"))


def problem(space=SPACE):
    generator = torch.Generator().manual_seed(0)
    sets = []
    for count in (48, 20):
        labels = torch.arange(count) % 3
        pixels = torch.randint(0, 150, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)
        for label in range(3):
            pixels[labels == label, label] += 100
        sets.append(ImageSet(pixels, labels))
    return SearchProblem(*sets, space, Skeleton(8, 3, 4, (Stage(4, 1), Stage(8, 1))))


def search(config, *, space=SPACE, iterations=None, seed=0):
    events = []
    outcome = Fuse(config).search(
        problem(space),
        budget=SearchBudget(iterations=iterations),
        seed=seed,
        on_event=events.append,
        state=None,
        on_state=lambda state: None,
    )
    return outcome, events


@pytest.fixture
def trained():
    candidates = fresh_candidates(GENOTYPES, problem(), learning_rate=3e-3, seed=0)
    thirds = torch.full((3,), 1 / 3)
    for epoch in range(2):
        train_epoch(
            candidates,
            problem(),
            lambda logits, labels: relaxed_loss(thirds, logits, labels),
            batch_size=16,
            seed=epoch,
        )
    return candidates


def test_the_cached_alpha_phase_equals_a_loop_that_runs_the_networks_at_every_step(trained):
    data = problem().validation
    cached = torch.tensor([0.3, -0.2, 0.0], requires_grad=True)
    step_alpha(cached, torch.optim.Adam([cached], lr=0.1), validation_logits(trained, problem()), data.labels, steps=12)

    alpha = torch.tensor([0.3, -0.2, 0.0], requires_grad=True)
    optimizer = torch.optim.Adam([alpha], lr=0.1)
    for _ in range(12):
        weights = torch.softmax(alpha, dim=0)
        mixed = torch.zeros(len(data), 3)
        for weight, candidate in zip(weights, trained, strict=True):
            candidate.network.eval()
            mixed = mixed + weight * candidate.network(normalise(data.images)).detach()
        optimizer.zero_grad()
        F.cross_entropy(mixed, data.labels).backward()
        optimizer.step()

    torch.testing.assert_close(cached, alpha, atol=1e-4, rtol=0)
    assert (cached - torch.tensor([0.3, -0.2, 0.0])).abs().max() > 0.2  # so the comparison means something


def test_the_alpha_phase_leaves_weights_and_batch_norm_statistics_as_they_are(trained):
    before = copy.deepcopy([candidate.network.state_dict() for candidate in trained])
    alpha = torch.zeros(3, requires_grad=True)
    logits = validation_logits(trained, problem())
    step_alpha(alpha, torch.optim.Adam([alpha], lr=0.1), logits, problem().validation.labels, steps=3)
    for candidate, state in zip(trained, before, strict=True):
        assert all(torch.equal(tensor, state[name]) for name, tensor in candidate.network.state_dict().items())


def test_the_relaxed_loss_is_the_cross_entropy_of_the_weighted_sum_of_logits():
    logits = torch.tensor([[[2.0, 0.0]], [[0.0, 4.0]]])
    # 0.75·(2, 0) + 0.25·(0, 4) = (1.5, 1); −log softmax(·)_0 = log(1 + e^(1 − 1.5))
    loss = relaxed_loss(torch.tensor([0.75, 0.25]), logits, torch.tensor([0]))
    assert loss.item() == pytest.approx(0.474077, abs=1e-5)


def test_a_weight_step_follows_the_gradient_of_the_joint_loss():
    joint = fresh_candidates(GENOTYPES, problem(), learning_rate=3e-3, seed=0)
    weights = torch.tensor([0.5, 0.3, 0.2])
    train_epoch(joint, problem(), lambda logits, labels: relaxed_loss(weights, logits, labels), batch_size=48, seed=7)
    slow = fresh_candidates(GENOTYPES, problem(), learning_rate=3e-3, seed=0)
    order = torch.randperm(48, generator=torch.Generator().manual_seed(7))
    data = problem().train.subset(order)
    mixed = sum(
        weight * candidate.network.train()(normalise(data.images))
        for weight, candidate in zip(weights, slow, strict=True)
    )
    F.cross_entropy(mixed, data.labels).backward()
    for candidate in slow:
        torch.optim.Adam(candidate.network.parameters(), lr=3e-3).step()
    for fast, reference in zip(joint, slow, strict=True):
        torch.testing.assert_close(fast.network.head.weight, reference.network.head.weight, atol=1e-4, rtol=1e-3)


def test_an_iteration_begins_evenly_with_the_incumbent_and_new_candidates():
    outcome, events = search(FuseConfig(rounds=1, batch_size=16), iterations=4)
    started = [event for event in events if event.kind == "candidates"]
    assert all(event.alphas == (1 / 3,) * 3 for event in started)
    seen = set(started[0].genotypes)
    for before, event in zip(outcome.history[:-1], started[1:], strict=True):
        assert event.genotypes[0] == before.incumbent == event.incumbent
        new = set(event.genotypes[1:])
        assert len(new) == 2
        assert not new & seen
        seen |= new


def test_the_argmax_of_alpha_is_the_new_incumbent():
    outcome, _ = search(FuseConfig(rounds=2, batch_size=16), iterations=4)
    for record in outcome.history:
        assert sum(record.alphas) == pytest.approx(1)
        assert record.incumbent == record.genotypes[record.alphas.index(max(record.alphas))]
    assert outcome.best == outcome.history[-1].incumbent


def test_the_search_ends_after_patience_iterations_without_a_new_incumbent():
    outcome, _ = search(FuseConfig(rounds=1, batch_size=16, patience=2))
    changed = [record.new_incumbent for record in outcome.history]
    assert changed[0]
    assert changed[-2:] == [False, False]
    assert [False, False] not in [changed[start : start + 2] for start in range(len(changed) - 2)]


def test_rounds_end_once_alpha_has_been_still_three_times():
    still = FuseConfig(rounds=9, batch_size=48, alpha_learning_rate=1e-6)
    assert [record.rounds for record in search(still, iterations=1)[0].history] == [3]


def test_rounds_end_at_their_cap_while_alpha_moves():
    moving = FuseConfig(rounds=4, batch_size=48, alpha_learning_rate=1.0)
    outcome, events = search(moving, iterations=1)
    assert outcome.history[0].rounds == 4
    assert [event.round for event in events if event.kind == "round"] == [0, 1, 2, 3]
    assert all(score.epochs == 4 for score in outcome.scored)


def test_a_space_of_two_cells_left_over_is_searched_to_its_end():
    outcome, _ = search(
        FuseConfig(rounds=1, batch_size=48, candidates=40), space=SearchSpace(("identity", "max_pool_3x3"))
    )
    assert len(outcome.scored) == 64
    assert [len(record.genotypes) for record in outcome.history] == [40, 25]


@pytest.mark.parametrize("wrong", [{"candidates": 1}, {"rounds": 0}, {"batch_size": 0}, {"alpha_learning_rate": -1.0}])
def test_impossible_settings_are_refused_by_name(wrong):
    with pytest.raises(InvalidSearchError) as refusal:
        FuseConfig(**wrong)
    assert refusal.value.field == f"search.{next(iter(wrong))}"
