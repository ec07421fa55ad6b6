"""The job `train_architecture` with a plain or a pretrained network, which has no cell, on other data."""

from pathlib import Path
from typing import Any

import pytest
import torchvision
from safetensors.torch import save

from ldnas.networks.design import design_from_json
from ldnas.networks.designed import size_of
from tests.worker.small_network import SMALL
from worker.registry import Engine, JobKind, JobState, TaskRole, reading, unit_of_work


@pytest.mark.parametrize(
    "design",
    [
        {"kind": "plain", "name": "resnet18", "width": 4, "image_size": 16, "classes": 2},
        {"kind": "plain", "name": "mobilenet_v3_small", "width": 0.35, "image_size": 16, "classes": 2},
        {"kind": "pretrained", "name": "tf_efficientnet_lite0", "image_size": 32, "classes": 2},
        {"kind": "pretrained", "name": SMALL, "image_size": 32, "classes": 2, "weights": "uploaded"},
    ],
    ids=["plain", "mobilenet", "pretrained", "given weights"],
)
def test_networks_without_a_cell_are_trained_again(
    design: dict[str, Any], engine: Engine, finish, stripes_folder, backbone: str
) -> None:
    if "weights" in design:
        design = {**design, "weights": backbone}
    assert finish(add_training(engine, design, stripes_folder)).state is JobState.SUCCEEDED
    with reading(engine) as registry:
        new = registry.architectures.get("new")
    assert new.design == {**design, "image_size": 16, "classes": 3}
    assert (new.genotype, new.skeleton) == (None, None)
    assert new.parameters == size_of(design_from_json(new.design))[0]


def test_a_network_of_torchvision_is_trained_again(engine: Engine, finish, stripes_folder, upload) -> None:
    source = torchvision.models.shufflenet_v2_x0_5()
    digest = upload("mine", "safetensors", save(source.state_dict()))
    name = "torchvision/shufflenet_v2_x0_5"
    design = {"kind": "pretrained", "name": name, "image_size": 64, "classes": 2, "weights": digest}
    assert finish(add_training(engine, design, stripes_folder)).state is JobState.SUCCEEDED


def test_images_that_are_too_small_for_a_network_are_refused_before_it_is_trained_again(
    engine: Engine, finish, stripes_folder
) -> None:
    name = "torchvision/squeezenet1_1"
    design = {"kind": "pretrained", "name": name, "image_size": 64, "classes": 2, "weights": "f" * 64}
    job = finish(add_training(engine, design, stripes_folder))
    assert (job.error["code"], job.error["field"]) == ("invalid_search", "image_size")
    assert "torchvision/squeezenet1_1 cannot take images of 16 pixels" in job.error["detail"]
    assert job.stage == "resolve"


def test_a_network_whose_first_weights_were_deleted_is_not_trained_again(
    engine: Engine, finish, stripes_folder
) -> None:
    design = {"kind": "pretrained", "name": SMALL, "image_size": 32, "classes": 2, "weights": "f" * 64}
    job = finish(add_training(engine, design, stripes_folder))
    assert (job.error["code"], job.error["field"]) == ("dataset_not_found", "architecture_id")


def add_training(engine: Engine, design: dict[str, Any], folder: Path) -> str:
    """Asks to train the network of a finished architecture again, on the stripes; gives the id of the job."""
    with unit_of_work(engine) as registry:
        finished = registry.jobs.insert(JobKind.RECOMMEND, {})
        registry.architectures.insert_once(
            id="found",
            job_id=finished.id,
            name="found",
            design=design,
            class_names=["a", "b"],
            preprocessing={"image_size": design["image_size"]},
            parameters=1,
            macs=1,
            validation={},
            test={},
            **{file: file for file in ("weights", "code", "program", "onnx", "card")},
        )
        params = {"architecture_id": "new", "source_architecture_id": "found", "task_id": "stripes"}
        job = registry.jobs.insert(JobKind.TRAIN_ARCHITECTURE, params)
        registry.tasks.insert(
            id="stripes",
            name="three stripes",
            role=TaskRole.TARGET,
            job_id=job.id,
            dataset={"uri": folder.as_uri()},
            labels=None,
            architecture=None,
            epsilon=0.2,
            repetitions=1,
            seed=0,
            image_size=16,
        )
    return job.id
