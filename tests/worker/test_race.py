"""The strategy `race`: networks of several kinds train side by side, and the best one is the answer."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors

from ldnas.data.task_data import ImageSet
from ldnas.memory.starter import StarterCell, StarterMemory
from ldnas.networks.design import CellDesign, Kind, design_from_json
from ldnas.networks.designed import build_designed, size_of
from ldnas.recipe import default_recipe
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import default_skeleton
from ldnas.training import final
from tests.worker.small_network import SMALL
from worker.jobs import recommend as recommendation
from worker.jobs.checkpoints import Checkpoints, ShutdownError
from worker.jobs.stages import distance, race, race_candidates, warm_cells, weights_files
from worker.jobs.stages.resolve import ResolvedTask
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import Engine, JobState, reading, unit_of_work
from worker.settings import Settings
from worker.storage.artifacts import open_store

race_seconds = race._race_seconds  # a fixture replaces it
pytestmark = pytest.mark.usefixtures("ticking_races")


def cycles_of(engine: Engine, job_id: str) -> list[dict[str, Any]]:
    with reading(engine) as registry:
        return [event.data for event in registry.jobs.events_after(job_id) if event.kind == "cycle"]


def test_all_kinds_race_and_the_best_one_is_exported(
    add_race, finish, document_of, engine: Engine, settings: Settings, monkeypatch
) -> None:
    read, evaluated = ResolvedTask.read_test_images, list[int]()

    def count(task: ResolvedTask, image_size: int) -> ImageSet:
        evaluated.append(image_size)
        return read(task, image_size)

    monkeypatch.setattr(ResolvedTask, "read_test_images", count)
    job_id = add_race()
    assert finish(job_id).state is JobState.SUCCEEDED
    document = document_of()
    winner, *others = document["alternatives"]
    assert {entry["kind"] for entry in (winner, *others)} == {"cell", "plain", "pretrained"}
    assert all(winner["validation"] >= other["validation"] for other in others)
    assert winner["on_front"]
    assert winner["architecture_id"] == document["architecture"]["id"]
    assert all(other["architecture_id"] is None for other in others), "only the winner's weights are stored"
    assert document.get("control") is None, "not requested"
    assert document["search"]["strategy"] == "race"
    assert winner["name"] in document["search"]["reason"]
    assert len(cycles_of(engine, job_id)) == sum(
        (1 if entry["kind"] == "pretrained" else 0) + rounds_trained(entry, cycles_of(engine, job_id))
        for entry in (winner, *others)
    )

    cells = [entry for entry in (winner, *others) if entry["kind"] == "cell"]
    with reading(engine) as registry:
        linked = registry.task_results.genotypes("target-of-answer")
    assert [(row.genotype, row.origin, row.validation_accuracy, row.epochs) for row in linked] == [
        (entry["design"]["genotype"], "race", *best_of(entry, cycles_of(engine, job_id))) for entry in cells
    ]

    design = design_from_json(document["architecture"]["design"])
    assert (document["architecture"]["parameters"], document["architecture"]["macs"]) == size_of(design)
    assert evaluated == [design.image_size], "the test images are read once, at the winner's size"
    with reading(engine) as registry:
        row = registry.architectures.get(document["architecture"]["id"])
    assert (row.network_design, row.image_size) == (design.to_json(), design.image_size)
    network = build_designed(design, seed=1)
    network.load_state_dict(load_safetensors(open_store(settings).read(row.weights)))
    with reading(engine) as registry:
        target = registry.tasks.get("target-of-answer")
    assert target.class_names == row.class_names
    assert document["validation"]["accuracy"] == winner["validation"]
    assert not network.eval()(torch.zeros(1, 3, design.image_size, design.image_size)).isnan().any()


def best_of(entry: dict[str, Any], cycles: list[dict[str, Any]]) -> tuple[float, int]:
    """The best score of an alternative, and the epochs up to it; of equal scores the later one counts."""
    own = [cycle for cycle in cycles if cycle["candidate"] == entry["name"]]
    best = max(range(len(own)), key=lambda place: (own[place]["score"], place))
    assert own[best]["score"] == entry["validation"]
    return own[best]["score"], sum(cycle["epochs"] for cycle in own[: best + 1])


def rounds_trained(entry: dict[str, Any], cycles: list[dict[str, Any]]) -> int:
    return sum(1 for cycle in cycles if cycle["candidate"] == entry["name"] and cycle["epochs"])


@pytest.mark.parametrize(
    ("spent", "kinds", "expected"),
    [(30.0, ["cell", "pretrained"], 78.0), (30.0, ["cell", "plain"], 86.0), (119.0, ["cell"], 0.0)],
)
def test_a_race_gets_the_seconds_that_the_budget_leaves_after_the_export(
    spent: float, kinds: list[str], expected: float
) -> None:
    warnings = list[str]()
    answer: Any = SimpleNamespace(
        request=SimpleNamespace(race_seconds=120.0), seconds=lambda: spent, warn=warnings.append
    )
    candidates: Any = [SimpleNamespace(kind=Kind(kind)) for kind in kinds]
    assert race_seconds(answer, candidates) == expected
    assert [warning.partition(", so")[0] for warning in warnings] == (
        [] if expected else ["networks and distances took 119 of the 120 seconds"]
    )


def test_the_network_of_the_distances_says_whether_colour_images_may_be_mirrored(
    add_race, finish, stripes_folder: Path, engine: Engine, settings: Settings, monkeypatch
) -> None:
    for path in stripes_folder.rglob("*.png"):
        grey = Image.open(path)
        Image.merge("RGB", (grey, grey, grey.point(lambda value: value // 2))).save(path)
    asked = list[dict[str, torch.Tensor]]()

    def note(network: torch.nn.Module, validation: ImageSet, **options: Any) -> bool:
        asked.append(network.state_dict())
        return False

    monkeypatch.setattr(final, "recognises_mirrored", note)
    monkeypatch.setattr(final, "mirroring_keeps_class", lambda *arguments, **options: pytest.fail("trained for it"))
    assert finish(add_race(candidates=["cell"])).state is JobState.SUCCEEDED
    with reading(engine) as registry:
        (row,) = registry.task_results.networks("target-of-answer")
    stored = load_safetensors(open_store(settings).read(row.weights))
    (state,) = asked
    assert state.keys() == stored.keys()
    assert all(torch.equal(tensor, stored[name]) for name, tensor in state.items())


def test_limits_and_kinds_decide_who_takes_part(add_race, finish, document_of) -> None:
    finish(add_race(constraints={"max_parameters": 50_000}, candidates=["cell", "pretrained"]))
    assert {entry["kind"] for entry in document_of()["alternatives"]} == {"cell"}
    assert all(entry["parameters"] <= 50_000 for entry in document_of()["alternatives"])


def test_a_given_pretrained_network_races(add_race, finish, document_of, backbone: str) -> None:
    request = {"candidates": ["pretrained"], "pretrained": {"architecture": SMALL, "weights": "dataset://mine"}}
    # EfficientNet-Lite0 has more parameters.
    assert finish(add_race(**request, constraints={"max_parameters": 200_000})).state is JobState.SUCCEEDED
    document = document_of()
    (entry,) = document["alternatives"]
    assert (entry["kind"], entry["started_from"]) == ("pretrained", "dataset://mine")
    assert entry["design"]["weights"] == backbone
    assert document["architecture"]["parameters"] == entry["parameters"] <= 200_000


def test_a_network_of_torchvision_races(
    add_race, finish, document_of, upload, engine: Engine, settings: Settings
) -> None:
    name = "torchvision/squeezenet1_1"
    source = torchvision.models.squeezenet1_1()
    digest = upload("mine", "safetensors", save_safetensors(source.state_dict()))
    request = {"candidates": ["pretrained"], "pretrained": {"architecture": name, "weights": "dataset://mine"}}
    # EfficientNet-Lite0 has more parameters.
    assert finish(add_race(**request, constraints={"max_parameters": 1_000_000})).state is JobState.SUCCEEDED
    document = document_of()
    assert {entry["design"]["name"] for entry in document["alternatives"]} == {name}
    design = document["architecture"]["design"]
    assert (design["name"], design["weights"]) == (name, digest)
    with reading(engine) as registry:
        row = registry.architectures.get(document["architecture"]["id"])
    store = open_store(settings)
    assert 'BACKBONE: str = "squeezenet1_1"' in store.read(row.code).decode()
    assert "It is torchvision's `squeezenet1_1`" in store.read(row.card).decode()


def test_weights_that_do_not_fit_their_network_fail_the_job_before_any_work(add_race, finish, backbone: str) -> None:
    job = finish(add_race(pretrained={"architecture": "resnet10t", "weights": "dataset://mine"}))
    assert (job.error["code"], job.error["field"]) == ("unfit_weights", "pretrained.weights")
    assert "has no conv1.0.weight, which resnet10t has" in job.error["detail"]


def test_a_network_that_cannot_take_the_images_is_refused_before_any_work(
    add_race, finish, document_of, backbone: str, monkeypatch
) -> None:
    class OfLargeImages(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if images.shape[-1] < 96:
                raise RuntimeError("sizes of tensors must match")
            return images.mean(dim=(2, 3))

    monkeypatch.setattr(weights_files, "named_network", lambda *arguments, **options: OfLargeImages())
    job = finish(add_race(pretrained={"architecture": SMALL, "weights": "dataset://mine"}))
    assert (job.error["code"], job.error["field"]) == ("invalid_search", "pretrained.architecture")
    assert "cannot take images of 64 pixels" in job.error["detail"]
    assert document_of()["cost"]["stage_seconds"]["fit"] == 0
    assert job.stage == "resolve"


def test_limits_that_no_network_of_the_kinds_satisfies_are_refused(add_race, finish) -> None:
    job = finish(add_race(constraints={"max_parameters": 50_000}, candidates=["pretrained"]))
    assert job.state is JobState.FAILED
    assert job.error["detail"] == "no network of the kinds pretrained satisfies max_parameters of 50000"


def test_a_latency_that_no_network_reaches_is_refused(add_race, finish) -> None:
    job = finish(add_race(constraints={"max_latency_ms": 0.000001}, candidates=["cell"]))
    assert job.state is JobState.FAILED
    assert "max_latency_ms" in job.error["detail"]


def test_the_requested_image_size_holds_for_every_candidate_that_of_the_starter_memory_included(
    add_race, finish, engine: Engine, document_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    design = CellDesign(Genotype(("identity",) * 6), default_skeleton(16, 10))
    memory = StarterMemory(cells=(StarterCell("Task 7", design, 0.9, 0.01, "Task 7/0/"),))
    weights = {"Task 7/0/": build_designed(design, seed=4).state_dict()}
    monkeypatch.setattr(warm_cells, "read_starter", lambda: memory)
    monkeypatch.setattr(warm_cells, "starter_weights", weights.get)
    job_id = add_race(image_size=16)
    with unit_of_work(engine) as registry:
        registry.tasks.get("target-of-answer").image_size = 16
    finish(job_id)
    starter = "starter memory, Task 7"
    sizes = {
        entry["design"].get("image_size") or entry["design"]["skeleton"]["image_size"]
        for entry in document_of()["alternatives"]
    }
    assert sizes == {16}
    names = {entry["name"] for entry in document_of()["alternatives"] if entry["started_from"] == starter}
    assert names == {f"cell {design.genotype.digest[:8]} from {starter} at 16 px"}


def test_a_broken_race_resumes_from_its_last_epoch(
    add_race, claim, engine: Engine, settings: Settings, finish, monkeypatch, document_of
) -> None:
    states, in_second_cycle = list[dict[str, Any] | None](), list[bool]()
    whole, save, to_bytes = race.Race, Checkpoints.save, race.tensors_to_bytes

    def save_state(value: dict[str, Any]) -> bytes:
        in_second_cycle.append(any(own["cycles"] for own in value["progress"].values()))
        return to_bytes(value)

    def save_and_stop(self: Checkpoints, key: str, content: bytes) -> None:
        save(self, key, content)
        if any(in_second_cycle):
            raise ShutdownError

    job_id = add_race(candidates=["cell", "plain"])
    with monkeypatch.context() as broken:
        broken.setattr(Checkpoints, "due", lambda self: True)
        broken.setattr(Checkpoints, "save", save_and_stop)
        broken.setattr(race, "tensors_to_bytes", save_state)
        job = claim(job_id)
        assert runner.run(settings, engine, job_id, job.attempt) is Ending.SAVED
    with unit_of_work(engine) as registry:
        registry.leases.release(job_id, job.attempt, reason="the worker was shut down", counts_as_failure=False)
    before = cycles_of(engine, job_id)
    assert len(before) == 1

    def observe(problem: Any, candidates: Any, **options: Any) -> Any:
        states.append(options["state"] and options["state"].to_dict())
        return whole(problem, candidates, **options)

    monkeypatch.setattr(race, "Race", observe)
    assert finish(job_id).state is JobState.SUCCEEDED
    (state,) = states
    assert state is not None, "the second attempt begins with the saved state"
    assert sum(len(own["cycles"]) for own in state["progress"].values()) == len(before)
    after = cycles_of(engine, job_id)
    assert after[: len(before)] == before
    assert len({(cycle["candidate"], cycle["rung"], bool(cycle["epochs"])) for cycle in after}) == len(after)
    assert len(document_of()["alternatives"]) == 3, "a cell, a ResNet-18 and a MobileNetV3-small"


def test_a_later_attempt_races_the_candidates_that_were_fast_enough_at_first(
    add_race, claim, engine: Engine, settings: Settings, finish, monkeypatch, document_of
) -> None:
    def lose_the_disk(*arguments: Any, **options: Any) -> None:
        raise OSError("no space left on device")

    job_id = add_race(candidates=["cell", "plain"], constraints={"max_latency_ms": 10.0})
    with monkeypatch.context() as broken:
        broken.setattr(
            race_candidates, "_latency_ms", lambda context, candidate: 5.0 if candidate.kind == "cell" else 20.0
        )
        broken.setattr(race, "Race", lose_the_disk)
        assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED
    monkeypatch.setattr(race_candidates, "_latency_ms", lambda context, candidate: 1000.0)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET run_after = 0")
    assert finish(job_id).state is JobState.SUCCEEDED
    assert {entry["kind"] for entry in document_of()["alternatives"]} == {"cell"}


def test_a_finished_race_is_not_repeated(
    add_race, claim, engine: Engine, settings: Settings, finish, monkeypatch, document_of
) -> None:
    def lose_the_disk(*arguments: Any, **options: Any) -> str:
        raise OSError("no space left on device")

    few_images = replace(default_recipe("small_cnn"), samples=20)
    monkeypatch.setattr(distance, "_affordable", lambda *arguments: few_images)
    job_id = add_race(candidates=["cell"])
    with monkeypatch.context() as broken:
        broken.setattr(recommendation, "export", lose_the_disk)
        assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED
    first = document_of()
    monkeypatch.setattr(race, "Race", lambda *arguments, **options: pytest.fail("the race is over"))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET run_after = 0")
    assert finish(job_id).state is JobState.SUCCEEDED
    for part in ("search", "validation", "test", "provenance"):
        assert document_of()[part] == first[part]
    winner, *others = first["alternatives"]
    exported = {**winner, "architecture_id": document_of()["architecture"]["id"]}
    assert winner["architecture_id"] is None, "it was not exported yet"
    assert document_of()["alternatives"] == [exported, *others]
    assert first["provenance"]["recipe"]["digest"] == few_images.digest
