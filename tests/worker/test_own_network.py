"""A task that brought the weights of its network: they are measured, and never trained."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import save

from ldnas.networks.build import build_network
from ldnas.space.genotype import Genotype
from worker.jobs.stages import fitting
from worker.registry import Engine, JobRow, JobState, reading, unit_of_work

FIVE = Genotype(("sep_conv_3x3",) * 6)
BROUGHT = {"architecture": "small_cnn", "weights": "mine", "repetitions": 1}


def weights(classes: int = 3) -> bytes:
    return save(build_network("small_cnn", classes=classes, seed=7).state_dict())


@pytest.fixture
def register(engine: Engine, add_task: Callable[..., str]) -> Callable[..., str]:
    """Registers a task with weights and a cell of its own, so that its job neither trains nor searches."""

    def add(name: str = "own", **columns: Any) -> str:
        job_id = add_task(name, **BROUGHT, **columns)
        with unit_of_work(engine) as registry:
            kept = registry.results.store_search(
                "given", "given", [{"digest": FIVE.digest, "genotype": FIVE.to_json()}]
            )
            registry.task_results.link_genotypes(name, [row.id for row in kept])
        return job_id

    return add


def test_its_network_has_exactly_those_weights_and_is_measured_on_validation_images(
    engine: Engine, upload, register, finish: Callable[[str], JobRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "fit", lambda *arguments, **options: pytest.fail("was trained"))
    digest = upload("mine", "safetensors", weights())
    job = finish(register())
    assert job.state == JobState.SUCCEEDED, job.error
    with reading(engine) as registry:
        [network] = registry.task_results.networks("own")
        counts = registry.tasks.get("own").counts
    assert (network.weights, network.architecture, network.classes) == (digest, "small_cnn", 3)
    # A network that was never trained calls every image the same, or nearly so.
    assert counts is not None
    assert network.validation_accuracy * counts["validation"] == pytest.approx(
        round(network.validation_accuracy * counts["validation"])
    )
    assert job.result is not None
    assert job.result["approximation"] is (network.validation_balanced_accuracy >= 0.8)


def test_weights_for_other_classes_fail_the_job_with_the_tensor_at_fault(
    upload, register, finish: Callable[[str], JobRow]
) -> None:
    upload("mine", "safetensors", weights(classes=5))
    job = finish(register())
    assert job.state == JobState.FAILED
    assert job.error is not None
    assert (job.error["code"], job.error["field"]) == ("unfit_weights", "network.weights")
    assert job.error["origin"] == "mine: head.weight"


def test_a_column_to_it_compares_its_one_network(
    engine: Engine, upload, register, add_task, finish: Callable[[str], JobRow]
) -> None:
    upload("mine", "safetensors", weights())
    finish(register())
    across = {"groups": [["across"]], "rest": True, "balance": False}
    finish(add_task("known", architecture="small_cnn", repetitions=1, labels=across))
    with unit_of_work(engine) as registry:
        job_id = registry.jobs.insert(
            "distances", {"target_task_id": "own", "sources": ["known"], "measures": ["log_det"], "repetitions": None}
        ).id
    job = finish(job_id)
    assert job.state == JobState.SUCCEEDED, job.error
    assert job.result is not None
    [entry] = job.result["columns"]["log_det"]["distances"]
    assert (entry["repetitions"], entry["comparable"]) == (1, True)
    assert torch.isfinite(torch.tensor(entry["mean"]))
