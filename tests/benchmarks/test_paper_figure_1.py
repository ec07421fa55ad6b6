"""Figure 1: its arithmetic by hand, and all of it on a handful of images."""

import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

from benchmarks.paper import figure_1
from benchmarks.paper.agreement import agreement, blocks, closest, ranks, spearman
from benchmarks.paper.data import PaperData
from benchmarks.paper.figure_1 import distances, released_distance
from benchmarks.paper.networks import ReleasedInputs, cropped_and_mirrored, look_at, released_network, settle_batch_norm
from benchmarks.paper.plan import figure_1_units, plan
from benchmarks.paper.result import PUBLISHED, result_of
from benchmarks.paper.running import run_plan
from benchmarks.paper.scales import SCALES, Deep
from benchmarks.paper.units import Rows
from ldnas.data.task_data import ImageSet
from ldnas.distance.observation import Observation
from tests.benchmarks.alone import run_alone

TINY = replace(
    SCALES["small"],
    network="small_cnn",
    repetitions=1,
    epsilon=0.9,
    train_images=30,
    validation_images=20,
    epochs=1,
    released_epochs={"mnist": 1, "cifar10": 1},
    samples=16,
    probe_images=16,
    network_seconds={"paper": 1.0, "released_code": 1.0},
    cuts=(),
    deep=None,
)


SAME: dict[str, Any] = {"logme": 0.0, "log_det": {"layers": [["a", 1], ["b", 1]], "sums": [[[0.0, 0.0], [0.0, 0.0]]]}}


def row(task: int, repetition: int, values: list[tuple[float, float]], mode: str = "default") -> dict[str, Any]:
    """A row whose network shows two layers of one parameter each; the pair of sums on each of eight targets."""
    observations = [
        {"logme": 0.0, "log_det": {"layers": [["a", 1], ["b", 1]], "sums": [[[0.0, 0.0], list(pair)]]}}
        for pair in values
    ]
    return {
        "unit": {"kind": "network", "values": {"task": task, "repetition": repetition}},
        "outcome": {"observations": {mode: observations}},
    }


def test_a_distance_compares_a_source_with_the_target_of_its_own_repetition() -> None:
    # On target t the network of task b shows b·(t + 1), so that no other target would do.
    rows = [row(task, 0, [(task * (t + 1.0), -task * (t + 1.0)) for t in range(8)]) for task in range(8)]
    rows += [row(task, 1, [(3.0 * task * (t + 1), 0.0) for t in range(8)]) for task in range(8)]
    first, second = distances(rows, "default")
    # The mean over two layers of |·|, where the second layer's difference is the first's with the other sign, or 0.
    assert first == [[(t + 1) * abs(b - t) for t in range(8)] for b in range(8)]
    assert second == [[1.5 * (t + 1) * abs(b - t) for t in range(8)] for b in range(8)]


def test_a_target_of_fewer_outputs_is_seen_with_as_many_as_the_source_has() -> None:
    rows = [row(task, 0, [(0.0, 0.0)] * 8) for task in range(8)]
    for one, outputs in zip(rows, (2, 2, 2, 10, 2, 2, 4, 10), strict=True):
        one["outcome"]["classes"] = outputs
    widened = SAME | {"log_det": SAME["log_det"] | {"sums": [[[0.0, 0.0], [4.0, 4.0]]]}}
    for one in rows:
        one["outcome"]["padded"] = {"default": dict.fromkeys(("4", "10"), SAME)}
    rows[0]["outcome"]["padded"]["default"]["10"] = widened
    (found,) = distances(rows, "default")
    assert [found[b][0] for b in range(8)] == [0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 4.0]
    assert [found[b][1] for b in range(8)] == [0.0] * 8
    del rows[0]["outcome"]["padded"]["default"]["10"]
    with pytest.raises(KeyError):
        distances(rows, "default")


def test_a_repetition_counts_once_all_its_networks_are_there() -> None:
    rows = [row(task, 0, [(1.0, 1.0)] * 8) for task in range(7)]
    assert distances(rows, "default") == []
    assert distances(rows, "paper") == []


def test_the_published_matrix_gives_the_published_closest_sources() -> None:
    published = PUBLISHED["figure_1"]
    mean, std = np.array(published["mean"]), np.array(published["std"])
    assert closest(mean) == published["closest_source_of_each_target"] == [1, 0, 3, 7, 5, 4, 7, 6]
    assert agreement(mean, std, published)["agreements"] == 8


def test_a_near_tie_agrees_within_the_spread_and_a_clear_difference_does_not() -> None:
    published = PUBLISHED["figure_1"]
    mean = np.array(published["mean"])
    mean[6, 3], mean[7, 3] = 0.20, 0.23  # the published one, 7, is now second by 0.03
    none, some = np.zeros((8, 8)), np.zeros((8, 8))
    some[6, 3], some[7, 3] = 0.02, 0.025  # of the difference: 0.032
    apart, tied = agreement(mean, none, published), agreement(mean, some, published)
    assert (apart["agreements"], apart["agreements_within_spread"]) == (7, 7)
    assert (tied["agreements"], tied["agreements_within_spread"]) == (7, 8)
    assert tied["agrees"][3] is False


def test_equal_values_share_their_mean_rank() -> None:
    assert ranks([10.0, 20.0, 10.0, 5.0]).tolist() == [2.5, 4.0, 2.5, 1.0]
    assert spearman([1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 4.0, 3.0]) == pytest.approx(1 - 6 * 4 / (4 * 15))
    assert spearman([1.0, 1.0], [1.0, 2.0]) is None


def test_blocks_are_means_without_the_diagonal() -> None:
    mean = np.full((8, 8), 4.0)
    mean[:4, :4], mean[4:, 4:] = 1.0, 3.0
    mean[range(8), range(8)] = 0.0
    found = blocks(mean)
    assert (found["mnist_to_mnist"], found["cifar10_to_cifar10"], found["mnist_to_cifar10"]) == (1.0, 3.0, 4.0)
    assert found["within_over_between"] == pytest.approx(0.5)
    assert blocks(np.zeros((8, 8)))["within_over_between"] is None


def test_the_released_network_sees_the_inputs_of_the_released_program() -> None:
    ours = torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1, 1).expand(3, 3, 1, 1)
    assert ReleasedInputs("mnist")(ours)[:, 0, 0, 0].tolist() == [0.0, 0.5, 1.0]
    red = ReleasedInputs("cifar10")(ours)[:, 0, 0, 0].tolist()
    assert red == pytest.approx([(value - 0.4914) / 0.2023 for value in (0.0, 0.5, 1.0)], rel=1e-5)
    network = released_network("small_cnn", dataset="mnist", classes=2, seed=0)
    assert (network.head.in_features, network.head.out_features) == (10, 2)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 2)


def test_released_networks_of_a_seed_begin_alike_and_look_at_a_data_set_as_the_program_does() -> None:
    digits, animals = (
        released_network("small_cnn", dataset=dataset, classes=classes, seed=0).eval()
        for dataset, classes in (("mnist", 2), ("cifar10", 4))
    )
    inputs = torch.rand(2, 3, 32, 32) * 2 - 1
    assert not torch.equal(digits.features(inputs), animals.features(inputs))
    look_at(digits, "cifar10")
    assert torch.equal(digits.features(inputs), animals.features(inputs))


def test_batch_norm_ends_with_the_statistics_of_the_last_images() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3))
    pixels = torch.cat([torch.zeros(50, 3, 2, 2), torch.full((20, 3, 2, 2), 255)]).to(torch.uint8)
    settle_batch_norm(network, ImageSet(pixels, torch.zeros(70, dtype=torch.long)))
    # Batches of 50 images at -1 and 20 at 1, from a mean of 0 by a tenth each: -0.1, and then 0.9 of that and a tenth.
    assert network[0].running_mean.tolist() == pytest.approx([0.9 * -0.1 + 0.1] * 3)
    assert not network.training


def seen(*tensors: tuple[str, int, float]) -> Observation:
    """An observation of tensors, each with its name, its number of parameters and its sum of logarithms."""
    layers = [[name, count] for name, count, _ in tensors]
    sums = [total for _, _, total in tensors]
    return Observation.from_json({"logme": 0.0, "log_det": {"layers": layers, "sums": [[sums, sums]]}})


def test_the_released_programs_distance_counts_tensors_by_their_size_and_pads_the_smaller_head_with_zeros() -> None:
    two, four = seen(("a", 6, -9.0), ("head", 2, -1.0)), seen(("a", 6, -6.0), ("head", 4, -3.0))
    nothing = math.log(1e-10)
    # The head of two classes has two entries more, zeros: −1 + 2·log(1e-10) against −3.
    assert released_distance(two, four) == pytest.approx((3 + abs(2 + 2 * nothing)) / 10)
    assert released_distance(four, two) == pytest.approx((3 + abs(2 + 2 * nothing)) / 8)
    assert released_distance(four, four) == 0.0
    with pytest.raises(ValueError, match="b in the source"):
        released_distance(seen(("b", 1, 0.0)), seen(("a", 1, 0.0)))


def test_a_crop_is_a_window_of_the_padded_image_or_of_its_mirror() -> None:
    inputs = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    changed = cropped_and_mirrored(inputs, torch.Generator().manual_seed(1))
    mirrored = 0
    for image, result in zip(inputs, changed, strict=True):
        padded = torch.full((3, 16, 16), -1.0)
        padded[:, 4:12, 4:12] = image
        windows = [padded[:, top : top + 8, left : left + 8] for top in range(9) for left in range(9)]
        plain = any(torch.equal(window, result) for window in windows)
        mirrored += not plain
        assert plain or any(torch.equal(window.flip(2), result) for window in windows)
    assert 10 < mirrored < 30


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two data sets of ten labels, 20 training and 5 test images of each, as noise around a brightness."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for dataset, channels in (("mnist", 1), ("cifar10", 3)):
        (folder / dataset).mkdir()
        for split, count in (("train", 20), ("test", 5)):
            labels = np.repeat(np.arange(10), count)
            pixels = (labels[:, None, None, None] * 20 + rng.integers(0, 40, (len(labels), 28, 28, channels))) % 256
            table = {"image": [{"bytes": png(image), "path": None} for image in pixels.astype(np.uint8)]}
            pq.write_table(pa.table(table | {"label": labels}), folder / dataset / f"{split}.parquet")
    return folder


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "PNG")
    return file.getvalue()


def test_a_tiny_plan_gives_all_three_figures_and_a_second_run_changes_nothing(images: Path, tmp_path: Path) -> None:
    units = [unit for unit in plan(TINY) if unit.kind == "network"]
    rows, data = Rows(tmp_path / "rows"), PaperData(images)
    assert run_plan(units[:9], rows, data, torch.device("cpu")) == 9  # stopped in the middle
    assert "figure_1_released_code" not in result_of(units, rows, "small")
    assert run_plan(units, rows, data, torch.device("cpu")) == len(units) - 9 == 7
    result = result_of(units, rows, "small")
    assert run_plan(units, rows, data, torch.device("cpu")) == 0
    for mode in ("default", "paper", "released_code"):
        figure = result[f"figure_1_{mode}"]
        assert figure["repetitions"] == 1
        assert [figure["mean"][task][task] for task in range(8)] == [0.0] * 8
        others = [figure["mean"][b][t] for b in range(8) for t in range(8) if b != t]
        assert all(math.isfinite(value) and value > 0 for value in others)
        assert figure["networks"] == 8
    released = [row["outcome"] for row in rows.of(units) if row["unit"]["values"]["reading"] == "released_code"]
    assert [one["classes"] for one in released] == [2, 2, 2, 10, 2, 2, 4, 10]
    widened = [sorted(map(int, one["padded"]["released_code"])) for one in released]
    assert widened == [[4, 10], [4, 10], [4, 10], [], [4, 10], [4, 10], [10], []]
    own, wide = released[0]["observations"]["released_code"][0], released[0]["padded"]["released_code"]["10"]
    assert own["log_det"]["layers"] == wide["log_det"]["layers"]
    assert own["log_det"]["sums"] != wide["log_det"]["sums"]
    assert result["figure_1_released_code"]["recipe"]["split"] == "test"
    assert result["figure_1_default"]["recipe"]["split"] == "train"
    assert [row["mnist"] for row in result["data"]] == [data.digest("mnist")]


def test_no_mode_but_the_released_programs_reads_test_images(images: Path, tmp_path: Path) -> None:
    asked: set[str] = set()

    class Watched(PaperData):
        def __init__(self, folder: Path) -> None:
            super().__init__(folder)
            read = self.images
            self.images = lambda *which: (asked.add(which[1]), read(*which))[1]  # type: ignore[assignment]

    units = plan(TINY)
    own = next(unit for unit in units if unit.values.get("reading") == "paper")
    released = next(unit for unit in units if unit.values.get("reading") == "released_code")
    run_plan([own], Rows(tmp_path / "rows"), Watched(images), torch.device("cpu"))
    assert asked == {"train", "validation"}
    run_plan([released], Rows(tmp_path / "rows"), Watched(images), torch.device("cpu"))
    assert "test" in asked


def test_only_networks_of_the_released_program_take_the_statistics_of_their_tasks_test_images(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[int] = []
    monkeypatch.setattr(figure_1, "settle_batch_norm", lambda network, found: settled.append(len(found)))
    ten_digits = [unit for unit in plan(TINY) if unit.kind == "network" and unit.values["task"] == 3]
    run_plan(ten_digits, Rows(tmp_path / "rows"), PaperData(images), torch.device("cpu"))
    assert [unit.values["reading"] for unit in ten_digits] == ["paper", "released_code"]
    assert settled == [50]


def test_the_deep_figure_is_the_released_programs_with_another_network(images: Path, tmp_path: Path) -> None:
    units = plan(replace(TINY, deep=Deep("vgg16_narrow", repetitions=1, seconds=1.0)))
    deep = next(unit for unit in units if unit.values["group"] == "released_code_deep")
    rows = Rows(tmp_path / "rows")
    run_plan([deep], rows, PaperData(images), torch.device("cpu"))
    outcome = rows.of([deep])[0]["outcome"]
    assert list(outcome["observations"]) == ["released_code_deep"]
    assert len(outcome["observations"]["released_code_deep"][0]["log_det"]["layers"]) == 13 * 4 + 2 + 2
    released = next(unit for unit in units if unit.values["group"] == "released_code")
    same = {name for name, value in deep.values.items() if released.values[name] == value}
    assert set(deep.values) - same == {"group", "network", "recipes"}


def test_what_the_plans_fix_is_the_recipes_of_the_modes() -> None:
    for scale in SCALES.values():
        units = [unit for unit in plan(scale) if unit.kind == "network"]
        recipes = {mode: value for unit in units for mode, value in unit.values["recipes"].items()}
        damping = {"released_code": 1e-10}
        damping |= {} if scale.released_only else {"default": 1e-8, "paper": 1e-8}
        damping |= {"released_code_deep": 1e-10} if scale.deep else {}
        assert {mode: recipe["damping"] for mode, recipe in recipes.items()} == damping
        own, deep = 1 if scale.released_only else 2, scale.deep.repetitions if scale.deep else 0
        assert len(units) == 8 * (own * scale.repetitions + deep)
        assert len({unit.id for unit in plan(scale)}) == len(plan(scale))
        assert {unit.values["epsilon"] for unit in units} == {scale.epsilon}


def test_a_scale_of_the_released_figure_alone_trains_each_data_set_as_long_as_it_says() -> None:
    epochs = {"mnist": 3, "cifar10": 7}
    units = plan(replace(TINY, released_only=True, released_epochs=epochs))
    assert {unit.values["reading"] for unit in units} == {"released_code"}
    assert [unit.values["fitting"]["epochs"] for unit in units] == [3] * 4 + [7] * 4
    assert {unit.values["fitting"]["epochs"] for unit in figure_1_units(SCALES["full"], "released_code")} == {50, 100}


def test_it_runs_where_only_torch_torchvision_and_pyarrow_are_installed(images: Path, tmp_path: Path) -> None:
    options = ["--data", str(images), "--scale", "small", "--work", str(tmp_path)]
    run_alone([*options, "--until", "1"])
    assert json.loads((tmp_path / "small" / "result.json").read_text())["finished"] == 0
