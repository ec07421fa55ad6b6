"""Is the distance useful?: the arithmetic by hand, and both kinds of unit on a handful of images."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.paper.data import PaperData
from benchmarks.paper.tasks import TASKS
from benchmarks.transfer import NUMBERS, SET_ASIDE, plan
from benchmarks.transfer_runs import CONTROL, MODES_OF, distance_of, run_networks, run_spaces, started_from
from benchmarks.transfer_summary import SAME_DATA_SET, better, judge, score, summarise
from ldnas.data.task_data import ImageSet
from ldnas.distance.observation import Observation
from ldnas.networks.build import build_network
from ldnas.networks.classifier import Classifier
from ldnas.recipe import recipe_of
from ldnas.space.genotype import Genotype
from ldnas.training.train import fit

CPU = torch.device("cpu")
CELL = Genotype(("identity", "sep_conv_3x3", "identity", "identity", "max_pool_3x3", "identity"))


class Bright(PaperData):
    """Images as bright as their label says, with noise; MNIST and CIFAR-10 have the same ones."""

    def __init__(self) -> None:
        self.images = self._made  # type: ignore[assignment]

    def _made(self, dataset: str, split: str, image_size: int = 32) -> ImageSet:
        labels = torch.arange(10).repeat(6)
        noise = torch.randint(
            0, 20, (60, 3, image_size, image_size), generator=torch.Generator().manual_seed(len(split))
        )
        return ImageSet(((labels * 20)[:, None, None, None] + noise).to(torch.uint8), labels)


def by_hand(*columns: list[float]) -> np.ndarray:
    """One seed's `[1, sources, targets]` out of a column for each target."""
    return np.array(columns).T[None]


def test_a_measure_that_ranks_sources_as_they_gain_has_rho_one_and_loses_nothing() -> None:
    gain = by_hand([math.nan, 0.3, 0.1], [0.2, math.nan, 0.4])
    assert score(by_hand([0.0, 1.0, 2.0], [2.0, 0.0, 1.0]), gain, [0], [0, 1]) == (pytest.approx(1), 0.0)
    # Target 0's sources the wrong way round: 0.3 − 0.1 is lost there, nothing on target 1.
    rho, regret = score(by_hand([0.0, 2.0, 1.0], [2.0, 0.0, 1.0]), gain, [0], [0, 1])
    assert (rho, regret) == (pytest.approx(0), pytest.approx(0.1))
    # Both equally close: half of the two, 0.2, is what such a choice gets.
    rho, regret = score(by_hand([0.0, 1.0, 1.0]), gain[:, :, :1], [0], [0])
    assert (rho, regret) == (0.0, pytest.approx(0.1))


def test_distances_and_gains_are_averaged_over_the_seeds_before_they_are_ranked() -> None:
    gain = np.concatenate([by_hand([math.nan, 0.5, 0.0]), by_hand([math.nan, 0.0, 0.1])])
    near = np.concatenate([by_hand([0.0, 3.0, 1.0]), by_hand([0.0, 1.0, 2.0])])
    # In the mean source 1 gains 0.25 and source 2 0.05, at distances 2 and 1.5.
    assert score(near, gain, [0, 1], [0]) == (pytest.approx(-1), pytest.approx(0.2))
    assert score(near, gain, [1, 1], [0]) == (pytest.approx(-1), pytest.approx(0.1))


def test_regrets_are_compared_with_the_default_and_with_chance() -> None:
    gain = np.repeat(by_hand([math.nan, 0.4, 0.0, 0.2]), 3, axis=0)
    same_set = np.array([[0.0], [0.0], [1.0], [0.0]])
    measured = {"log_det_layerwise": by_hand([0.0, 3.0, 1.0, 2.0]), "logme": by_hand([0.0, 1.0, 3.0, 2.0])}
    measured = {name: np.repeat(value, 3, axis=0) for name, value in measured.items()}
    judged = judge(measured, gain, [0], same_set)
    assert judged["log_det_layerwise"]["regret"]["mean"] == pytest.approx(0.4)
    difference = judged["logme"]["regret_beside_default"]
    assert [difference["mean"], *difference["interval"]] == pytest.approx([-0.4] * 3)
    assert judged["random"]["regret"]["mean"] == pytest.approx(0.2)
    assert judged["random of the same data set"]["regret"]["mean"] == pytest.approx(0.1)


def test_a_measure_is_better_where_that_is_sure_and_holds_on_the_targets_set_aside() -> None:
    def found(mean: float, high: float) -> dict[str, Any]:
        return {"regret_beside_default": {"mean": mean, "interval": [-1.0, high]}}

    sure, unsure = found(-0.1, -0.01), found(-0.1, 0.01)
    assert better(
        {"a": sure, "b": unsure, "c": sure, "log_det_layerwise": {}, "random": {}},
        {"a": found(-0.01, 0.2), "b": sure, "c": found(0.01, 0.2)},
    ) == ["a"]


def network_values() -> dict[str, Any]:
    recipes = {
        mode: recipe_of(mode, "small_cnn").to_json() | {"split": "train", "samples": 16, "probe_images": 16}
        for mode in ("default", "paper", "released_code")
    }
    return {
        "tasks": [0, 4],
        "seed": 0,
        "network": "small_cnn",
        "train_images": 30,
        "fitting": {"epochs": 1},
        "recipes": recipes,
        "distance_images": 16,
        "few_images": 20,
        "few_steps": 2,
        "test_images": 20,
        "subset_seed": 0,
    }


def test_networks_have_every_distance_and_an_accuracy_from_every_other_source_and_from_fresh_weights() -> None:
    outcome = run_networks(network_values(), Bright(), CPU, [])
    assert set(outcome["distances"]) == set(MODES_OF)
    for table in outcome["distances"].values():
        assert [table["0"]["0"], table["4"]["4"]] == [0.0, 0.0]
        assert math.isfinite(table["0"]["4"])
        assert table["4"]["0"] != 0.0
    accuracy = outcome["accuracy"]
    assert {source: set(row) for source, row in accuracy.items()} == {CONTROL: {"0", "4"}, "0": {"4"}, "4": {"0"}}


def test_every_source_begins_with_the_head_that_the_control_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    heads: dict[int, list[torch.Tensor]] = {}

    def fit_seen(network: Classifier, train: ImageSet, **how: Any) -> None:
        heads.setdefault(how["seed"], []).append(network.head.weight.detach().clone())
        fit(network, train, **how)

    monkeypatch.setattr("benchmarks.transfer_runs.fit", fit_seen)
    run_networks(network_values(), Bright(), CPU, [])
    assert [len(of_target) for of_target in heads.values()] == [2, 2]
    assert all(torch.equal(control, source) for control, source in heads.values())


def test_each_measure_is_the_products_or_that_of_the_figure_of_its_name() -> None:
    def seen(raw: list[float], scaled: list[float]) -> Observation:
        sums = {"layers": [["a", 1], ["b", 3]], "sums": [[raw, scaled]]}
        return Observation.from_json({"logme": sum(raw), "log_det": sums})

    source, target = seen([1.0, 2.0], [4.0, 0.0]), seen([0.0, 0.0], [0.0, 6.0])
    found = {name: distance_of(name)(source, target) for name in ("log_det", "paper", "released_code", "logme")}
    # Eq. 3: (1 + 2)/4 of the raw sums; tensor by tensor: (4 + 6)/4 of the scaled ones.
    assert found == {"log_det": 0.75, "paper": 0.75, "released_code": 2.5, "logme": -3.0}
    assert distance_of("log_det_layerwise")(source, target) == pytest.approx((4 / 1 + 6 / 3) / 2)


def test_a_network_begun_at_a_source_has_its_backbone_and_a_fresh_head_and_changes_neither() -> None:
    source, fresh = (build_network("small_cnn", classes=classes, seed=classes) for classes in (10, 2))
    begun = started_from(source, fresh=fresh)
    assert torch.equal(begun.head.weight, fresh.head.weight)
    assert all(
        torch.equal(a, b) for a, b in zip(begun.backbone.parameters(), source.backbone.parameters(), strict=True)
    )
    with torch.no_grad():
        for parameter in begun.parameters():
            parameter.zero_()
    assert source.backbone[0].weight.any()
    assert fresh.head.weight.any()


def test_spaces_have_an_accuracy_for_every_other_source_and_for_the_full_space() -> None:
    values = {
        "task": 0,
        "seed": 0,
        "skeleton": {"image_size": 8, "stem_channels": 4, "stages": [{"channels": 4, "cells": 1}]},
        "max_parameters": None,
        "search_seconds": 0.05,
        "final_epochs": 1,
        "train_images": 40,
        "validation_images": 20,
        "test_images": 20,
        "subset_seed": 0,
    }
    genotypes = [
        {"unit": {"kind": "genotype", "values": {"task": task}}, "outcome": {"genotype": CELL.to_json()}}
        for task in (0, 4)
    ]
    outcome = run_spaces(values, Bright(), CPU, genotypes)
    assert set(outcome["accuracy"]) == {CONTROL, "4"}
    assert outcome["spaces"] == {CONTROL: 8**6, "0": 3**6, "4": 3**6}


def row(kind: str, values: dict[str, Any], outcome: dict[str, Any]) -> dict[str, Any]:
    return {"unit": {"kind": kind, "values": values}, "outcome": outcome}


def test_gains_are_differences_from_the_control_of_the_same_target_and_seed() -> None:
    near = {"log_det_layerwise": {"2": {"2": 0.0, "3": 1.0}, "3": {"2": 1.0, "3": 0.0}}}
    accuracy = {CONTROL: {"2": 0.5, "3": 0.9}, "2": {"3": 0.95}, "3": {"2": 0.4}}
    rows = [row("networks", {"seed": 0}, {"distances": near, "accuracy": accuracy})]
    rows += [row("spaces", {"seed": 0, "task": 2}, {"accuracy": {CONTROL: 0.7, "3": 0.75}})]
    rows += [row("spaces", {"seed": 0, "task": 3}, {"accuracy": {CONTROL: 0.6, "2": 0.5}})]
    result = summarise(rows, numbers=(2, 3), set_aside=(3,))
    assert result["weights"]["gain"]["mean"] == [[None, pytest.approx(0.05)], [pytest.approx(-0.1), None]]
    assert result["spaces"]["gain"]["mean"] == [[None, pytest.approx(-0.1)], [pytest.approx(0.05), None]]
    assert result["distances"][SAME_DATA_SET]["mean"] == [[0.0, 0.0], [0.0, 0.0]]
    assert "spaces" not in summarise(rows[:2], numbers=(2, 3), set_aside=(3,))
    assert "spaces" not in summarise([rows[0], *(of_seed(1, one) for one in rows[1:])], numbers=(2, 3), set_aside=(3,))
    assert summarise([], numbers=(2, 3), set_aside=(3,)) == {}


def of_seed(seed: int, row: dict[str, Any]) -> dict[str, Any]:
    unit = row["unit"]
    return row | {"unit": unit | {"values": unit["values"] | {"seed": seed}}}


def test_an_interval_reaches_from_the_worst_seed_to_the_best() -> None:
    gain = np.concatenate([by_hand([math.nan, 0.4, 0.0]), by_hand([math.nan, 0.0, 0.2])])  # of two seeds
    near = np.repeat(by_hand([0.0, 1.0, 2.0]), 2, axis=0)
    regret = judge({"log_det_layerwise": near}, gain, [0], np.zeros((3, 1)))["log_det_layerwise"]["regret"]
    # Source 1 is taken: in the mean it gains 0.2 against 0.1, by the second seed alone 0.0 against 0.2.
    assert regret == {"mean": 0.0, "interval": [0.0, pytest.approx(0.2)]}


def test_the_targets_set_aside_are_of_both_data_sets_and_every_search_waits_for_all_genotypes() -> None:
    assert set(SET_ASIDE) < set(NUMBERS)
    assert {TASKS["paper"][number].dataset for number in SET_ASIDE} == {"mnist", "cifar10"}
    units = plan()
    genotypes = {unit.id for unit in units if unit.kind == "genotype"}
    assert len(genotypes) == len(NUMBERS)
    assert all(set(unit.needs) == genotypes for unit in units if unit.kind == "spaces")
    assert len({unit.id for unit in units}) == len(units) == 3 + 6 + 18
