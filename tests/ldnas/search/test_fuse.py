"""FUSE against an uncached loop that runs the networks, and its rules: incumbent, stopping, settings."""

import copy
import json

import pytest
import torch
from torch.nn import functional as F

from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchBudget, SearchProblem, SearchRun
from ldnas.search.candidates import fresh_candidates, own_losses, train_epoch, validation_logits
from ldnas.search.fuse import Fuse, FuseConfig
from ldnas.search.fuse_race import FuseVariant, Mixture, expected_loss, lost, relaxed_loss, step_alpha
from ldnas.seeding import derive_seed
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


def search(config, *, space=SPACE, iterations=None, patience=10, seed=0):
    events = []
    budget = SearchBudget(iterations, patience=patience)
    outcome = Fuse(config).search(SearchRun(problem(space), budget, seed, events.append))
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


def _mixed(weights, logits, labels):
    mixed = sum(weight * own for weight, own in zip(weights, logits, strict=True))
    return F.cross_entropy(mixed, labels)


def _expected(weights, logits, labels):
    return sum(weight * F.cross_entropy(own, labels) for weight, own in zip(weights, logits, strict=True))


@pytest.mark.parametrize(("variant", "loss"), [("relaxed", _mixed), ("independent", _mixed), ("expected", _expected)])
def test_the_cached_alpha_phase_equals_a_loop_that_runs_the_networks_at_every_step(trained, variant, loss):
    data = problem().validation
    cached = torch.tensor([0.3, -0.2, 0.0], requires_grad=True)
    step_alpha(
        cached,
        torch.optim.Adam([cached], lr=0.1),
        validation_logits(trained, problem()),
        data.labels,
        steps=12,
        variant=FuseVariant(variant),
    )

    alpha = torch.tensor([0.3, -0.2, 0.0], requires_grad=True)
    optimizer = torch.optim.Adam([alpha], lr=0.1)
    for _ in range(12):
        logits = [candidate.network.eval()(normalise(data.images)).detach() for candidate in trained]
        optimizer.zero_grad()
        loss(torch.softmax(alpha, dim=0), logits, data.labels).backward()
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
    outcome, _ = search(FuseConfig(rounds=1, batch_size=16), patience=2)
    changed = [record.new_incumbent for record in outcome.history]
    assert changed[0]
    assert changed[-2:] == [False, False]
    assert [False, False] not in [changed[start : start + 2] for start in range(len(changed) - 2)]


def test_rounds_end_once_alpha_has_been_still_three_times():
    still = FuseConfig(rounds=9, batch_size=48, alpha_learning_rate=1e-6).as_in_paper()
    assert [record.rounds for record in search(still, iterations=1)[0].history] == [3]


def test_rounds_end_at_their_cap_while_alpha_moves():
    moving = FuseConfig(rounds=4, batch_size=48, alpha_learning_rate=1.0).as_in_paper()
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


def mixture_of(variant, *, drop_lost=False, alpha_learning_rate=0.1):
    candidates = fresh_candidates(GENOTYPES, problem(), learning_rate=3e-3, seed=0)
    return Mixture(
        candidates,
        problem(),
        variant=FuseVariant(variant),
        alpha_learning_rate=alpha_learning_rate,
        drop_lost=drop_lost,
    )


def run_round(mixture, number=0):
    return mixture.run_round(epochs=1, alpha_steps=5, batch_size=16, seed=number)


@pytest.mark.parametrize(("variant", "alone"), [("relaxed", False), ("independent", True), ("expected", True)])
def test_a_candidate_learns_as_if_alone_unless_the_loss_is_joint(variant, alone):
    together = mixture_of(variant)
    run_round(together)
    (solo,) = fresh_candidates(GENOTYPES[:1], problem(), learning_rate=3e-3, seed=0)
    own = lambda logits, labels: F.cross_entropy(logits[0], labels)  # noqa: E731
    train_epoch([solo], problem(), own, batch_size=16, seed=derive_seed(0, "epoch", 0))
    found, expected = together.candidates[0].network.head.weight, solo.network.head.weight
    assert torch.allclose(found, expected, atol=1e-5) is alone


def test_the_expected_loss_is_the_weighted_mean_of_the_own_ones():
    logits = torch.tensor([[[2.0, 0.0]], [[0.0, 4.0]]])
    # 0.75·log(1 + e^−2) + 0.25·log(1 + e^4) = 0.75·0.126928 + 0.25·4.018150
    loss = expected_loss(torch.tensor([0.75, 0.25]), logits, torch.tensor([0]))
    assert loss.item() == pytest.approx(1.099734, abs=1e-5)


def test_alpha_favours_complements_under_the_joint_loss_and_the_best_alone_under_the_expected_loss():
    # The last two know one half of the images each: alone worse than the first one, together more confident than it.
    labels = torch.arange(8) % 2
    sure, half = F.one_hot(labels, 2) * 2.0, (torch.arange(8) < 4)[:, None]
    logits = torch.stack([sure * 0.6, sure * half * 2, sure * ~half * 2])
    ends = {}
    for variant in FuseVariant:
        alpha = torch.zeros(3, requires_grad=True)
        optimizer = torch.optim.Adam([alpha], lr=0.1)
        step_alpha(alpha, optimizer, logits, labels, steps=60, variant=variant)
        ends[str(variant)] = alpha.softmax(dim=0).tolist()
    assert ends["relaxed"] == ends["independent"]
    assert min(ends["relaxed"][1:]) > ends["relaxed"][0]
    assert ends["expected"][0] > 0.9


def test_a_candidate_has_lost_once_it_trails_by_three_standard_errors_of_the_paired_difference():
    leader = torch.tensor([1.0, 2.0, 3.0, 4.0])
    # The difference is ±0.1 about its mean, so its standard error is 0.1/√4 = 0.05.
    wobble = torch.tensor([0.1, -0.1, 0.1, -0.1])
    losses = torch.stack([leader, leader + 0.16 + wobble, leader + 0.14 + wobble, leader - 1.0])
    assert lost(losses, leader=0) == [False, True, False, False]


def test_what_has_lost_is_not_trained_on_and_weighs_nothing(monkeypatch):
    monkeypatch.setattr("ldnas.search.fuse_race.lost", lambda losses, leader: [place == 1 for place in range(3)])
    mixture = mixture_of("expected", drop_lost=True)
    run_round(mixture)
    weights = copy.deepcopy(mixture.candidates[1].network.state_dict())
    assert mixture.racing == (0, 2)
    assert mixture.weights[1] == 0
    _, scores = run_round(mixture, 1)
    assert [score.genotype for score in scores] == [GENOTYPES[0], GENOTYPES[2]]
    assert [candidate.epochs for candidate in mixture.candidates] == [2, 1, 2]
    assert all(
        torch.equal(tensor, weights[name]) for name, tensor in mixture.candidates[1].network.state_dict().items()
    )
    assert mixture.weights[1] == 0
    assert sum(mixture.weights) == pytest.approx(1)


def test_an_iteration_ends_once_one_candidate_is_left(monkeypatch):
    monkeypatch.setattr("ldnas.search.fuse_race.lost", lambda losses, leader: [c != leader for c in range(len(losses))])
    outcome, _ = search(FuseConfig(rounds=3, batch_size=48, drop_lost=True), iterations=1)
    (record,) = outcome.history
    assert record.rounds == 1
    assert sorted(record.alphas) == [0, 0, 1]
    kept_on, _ = search(FuseConfig(rounds=3, batch_size=48, drop_lost=False), iterations=1)
    assert kept_on.history[0].rounds == 3


@pytest.mark.parametrize("keep", [True, False])
def test_an_incumbent_keeps_its_weights_only_if_it_is_to(keep):
    config = FuseConfig(rounds=1, batch_size=16, keep_incumbent=keep, drop_lost=False)
    outcome, _ = search(config, iterations=3)
    first = outcome.history[0].incumbent
    defences = sum(record.genotypes[0] == first for record in outcome.history[1:])
    assert defences >= 1
    epochs = {score.genotype: score.epochs for score in outcome.scored}
    assert epochs[first] == (1 + defences if keep else 1)


def test_a_candidate_resumes_from_its_json_value_to_the_bit():
    (unbroken,) = fresh_candidates(GENOTYPES[1:2], problem(), learning_rate=3e-3, seed=0)
    train_epoch([unbroken], problem(), own_losses, batch_size=16, seed=0)
    kept = json.loads(json.dumps(unbroken.to_json()))
    (resumed,) = fresh_candidates(GENOTYPES[1:2], problem(), learning_rate=3e-3, seed=5)
    resumed.load(kept)
    for candidate in (unbroken, resumed):
        train_epoch([candidate], problem(), own_losses, batch_size=16, seed=1)
    assert resumed.to_json() == unbroken.to_json()
    assert resumed.epochs == 2


def test_an_unknown_variant_is_refused_with_the_known_ones():
    with pytest.raises(InvalidSearchError, match="relaxed, independent, expected"):
        FuseConfig(variant="joint")


@pytest.mark.parametrize("wrong", [{"candidates": 1}, {"rounds": 0}, {"batch_size": 0}, {"alpha_learning_rate": -1.0}])
def test_impossible_settings_are_refused_by_name(wrong):
    with pytest.raises(InvalidSearchError) as refusal:
        FuseConfig(**wrong)
    assert refusal.value.field == f"search.{next(iter(wrong))}"
