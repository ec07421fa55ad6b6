"""Search over repeated splits: the split that an iteration sees, the cells that are compared, the cell that wins."""

import json
import time
from statistics import fmean

import pytest
import torch

from ldnas.data.search_split import search_splits
from ldnas.data.task_data import ImageSet
from ldnas.errors import InvalidSearchError, UnknownObjectiveError
from ldnas.search.base import SearchBudget, SearchProblem, SearchRun
from ldnas.search.random import RandomSearch, RandomSearchConfig
from ldnas.search.random_sharing import RandomSharing, RandomSharingConfig
from ldnas.search.repeated_splits import OverSplits, OverSplitsConfig
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import SearchSpace
from ldnas.training.evaluation import evaluate
from ldnas.training.train import fit

SPACE = SearchSpace(("identity", "sep_conv_3x3", "max_pool_3x3"))
SKELETON = Skeleton(8, 3, 4, (Stage(4, 1),))
RANDOM = RandomSearchConfig(candidates=2, epochs=1, batch_size=8)
COMPARED = OverSplitsConfig(repetitions=3, objective="balanced_accuracy", steps=6, batch_size=8)


def images(labels, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.tensor(labels)
    pixels = torch.randint(0, 180, (len(labels), 3, 8, 8), generator=generator, dtype=torch.uint8)
    pixels[:, 0] += (30 * labels)[:, None, None].to(torch.uint8)
    return ImageSet(pixels, labels)


@pytest.fixture(scope="module")
def little():
    """30 images of three classes, 15, 9 and 6 of them, a third for validation."""
    train, validation = images([0] * 10 + [1] * 6 + [2] * 4, 0), images([0] * 5 + [1] * 3 + [2] * 2, 1)
    return SearchProblem(train, validation, SPACE, SKELETON)


def search(strategy, problem, iterations, *, seconds=None, patience=None, state=None, clock=time.monotonic):
    events, states = [], []
    budget = SearchBudget(iterations, seconds, patience)
    keep = lambda state: states.append(json.loads(json.dumps(state)))  # noqa: E731
    outcome = strategy.search(SearchRun(problem, budget, 5, events.append, state, keep, clock))
    return outcome, events, states


class Noted(RandomSearch):
    """Random search that notes the validation images it is given."""

    def search(self, run):
        self.__dict__.setdefault("seen", []).append(run.problem.validation.images)
        return super().search(run)


def test_the_splits_take_turns(little):
    noted = Noted(RANDOM)
    search(OverSplits(noted, COMPARED), little, 5)
    splits = [split.validation.images for split in search_splits(little.train, little.validation, seed=5)]
    assert all(torch.equal(seen, splits[turn % 3]) for turn, seen in enumerate(noted.seen))
    assert len(noted.seen) == 5


def test_every_winner_of_a_split_gets_the_mean_of_short_trainings_on_all_splits(little):
    outcome, _, states = search(OverSplits(RandomSearch(RANDOM), COMPARED), little, 3)
    carried = states[-1]["carried"]
    winners = [state["history"][-1]["incumbent"] for state in carried["searches"]]
    assert [finalist["genotype"] for finalist in carried["finalists"]] == winners
    means = {}
    for finalist in carried["finalists"]:
        found = []
        for number, split in enumerate(search_splits(little.train, little.validation, seed=5)):
            seed = derive_seed(derive_seed(5, "comparison"), number)
            network = build_cell_network(Genotype.from_json(finalist["genotype"]), SKELETON, seed=seed)
            fit(network, split.train, config=COMPARED.training(len(split.train)), seed=seed)
            found.append(evaluate(network, split.validation).balanced_accuracy)
        assert finalist["mean"] == pytest.approx(fmean(found))
        means[Genotype.from_json(finalist["genotype"])] = finalist["mean"]
    assert means[outcome.best] == max(means.values())
    scored = {score.genotype: score for score in outcome.scored}
    for genotype, mean in means.items():
        assert scored[genotype].validation_balanced_accuracy == pytest.approx(mean)


def test_an_incumbent_leaves_for_a_better_mean_only(little):
    _, _, states = search(OverSplits(RandomSearch(RANDOM), COMPARED), little, 8)
    means = []
    for state in states[1:]:
        known = {json.dumps(one["genotype"]): one["mean"] for one in state["carried"]["finalists"]}
        means.append(known[json.dumps(state["history"][-1]["incumbent"])])
        assert means[-1] == max(known.values())
    assert means == sorted(means)


def test_one_winner_alone_is_not_compared(little):
    outcome, events, states = search(OverSplits(RandomSearch(RANDOM), COMPARED), little, 1)
    assert states[0]["carried"]["finalists"] == [{"genotype": outcome.best.to_json(), "mean": None}]
    assert [event.kind for event in events] == ["candidates", "round", "iteration"]


def test_a_winner_that_is_not_compared_for_lack_of_time_does_not_replace_the_incumbent(little):
    strategy = OverSplits(RandomSearch(RANDOM), COMPARED)
    first, _, states = search(strategy, little, 1)
    searches = states[0]["carried"]["searches"]
    # By the clock no time is left once the second iteration has begun.
    readings = iter([0.0, 0.0, 0.0] + [100.0] * 20)
    states[0]["seconds"] = 0.0
    outcome, events, later = search(strategy, little, 2, seconds=50.0, state=states[0], clock=lambda: next(readings))
    assert later[0]["carried"]["searches"] != searches
    assert [finalist["mean"] for finalist in later[0]["carried"]["finalists"]] == [None, None]
    assert outcome.best == first.best
    assert events[-1].kind == "iteration"


def test_the_search_ends_when_that_of_every_split_does(little):
    strategy = OverSplits(RandomSearch(RandomSearchConfig(candidates=2, epochs=1)), COMPARED)
    outcome, _, states = search(strategy, little, None, patience=1)
    for state in states[-1]["carried"]["searches"]:
        assert [record["new_incumbent"] for record in state["history"]][-1] is False
    assert outcome.iterations == sum(len(state["history"]) for state in states[-1]["carried"]["searches"])


def test_weights_that_a_split_carries_over_survive_a_resumption(little):
    strategy = OverSplits(RandomSharing(RandomSharingConfig(candidates=2, weight_epochs=1, batch_size=8)), COMPARED)
    unbroken, _, states = search(strategy, little, 5)
    for number in (1, 3):
        resumed, _, rest = search(strategy, little, 5, state=states[number])
        assert resumed == unbroken
        for state, expected in zip(rest, states[number + 1 :], strict=True):
            assert [one["carried"] for one in state["carried"]["searches"] if one] == [
                one["carried"] for one in expected["carried"]["searches"] if one
            ]


def test_enough_validation_images_are_searched_as_they_are():
    problem = SearchProblem(images([0, 1] * 8, 0), images([0, 1] * 100, 1), SPACE, SKELETON)
    plain, events, _ = search(RandomSearch(RANDOM), problem, 2)
    assert search(OverSplits(RandomSearch(RANDOM), COMPARED), problem, 2)[:2] == (plain, events)


def test_a_comparison_without_splits_or_steps_or_objective_is_refused():
    for wrong in ({"repetitions": 1}, {"steps": 0}, {"batch_size": 0}):
        with pytest.raises(InvalidSearchError):
            OverSplitsConfig(**wrong)
    with pytest.raises(UnknownObjectiveError):
        OverSplitsConfig(objective="beauty")


def test_classes_weigh_in_the_comparison_as_in_the_final_training():
    for objective, weighting in (("accuracy", 0.0), ("balanced_accuracy", 1.0), ("macro_f1", 1.0)):
        assert OverSplitsConfig(objective=objective).training(100).class_weighting == weighting


@pytest.mark.parametrize(
    ("images", "batch_size", "epochs"),
    [(100, 16, 6), (1000, 25, 1), (30_000, 64, 1)],  # 7, 40 and 469 steps an epoch
)
def test_a_comparison_takes_40_steps_and_a_whole_epoch_at_least(images, batch_size, epochs):
    training = OverSplitsConfig().training(images)
    assert (training.batch_size, training.epochs_for(images)) == (batch_size, epochs)
