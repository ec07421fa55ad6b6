"""train: the chosen network from scratch, scored once on test images that nothing before it has read."""

import json
import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load as load_safetensors
from torch import nn

from ldnas.digests import json_digest
from ldnas.final import data_facts, final_config
from ldnas.intervals import wilson_interval
from ldnas.objectives import OBJECTIVES
from ldnas.seeding import derive_seed
from ldnas.space.complexity import multiply_adds, parameters
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import Skeleton, default_skeleton
from ldnas.train import evaluate
from worker.registry.models import Network
from worker.stages.context import JobContext
from worker.stages.fitting import FitPlan, fit_once
from worker.stages.resolve import ResolvedTask

_LATENCY_RUNS = 20


@dataclass(frozen=True, eq=False)
class TrainedArchitecture:
    """A finished network with what is said of it; accuracies are fractions in [0, 1]."""

    genotype: Genotype
    skeleton: Skeleton
    network: nn.Module
    row: Network

    def describe(self) -> dict[str, Any]:
        """The `architecture` of a recommendation, without its id; measures the latency anew."""
        return {
            "genotype": self.genotype.to_json(),
            "skeleton": self.skeleton.to_json(),
            "parameters": parameters(self.genotype, self.skeleton),
            "macs": multiply_adds(self.genotype, self.skeleton),
            "latency_ms": _latency_ms(self.network, self.skeleton),
        }

    def validation(self) -> dict[str, float]:
        """The `validation` of a recommendation."""
        return {
            "accuracy": self.row.validation_accuracy,
            "balanced_accuracy": self.row.validation_balanced_accuracy,
        }


def train_architecture(
    context: JobContext,
    task: ResolvedTask,
    genotype: Genotype,
    skeleton: Skeleton | None = None,
    *,
    objective: str = OBJECTIVES[0],
    epochs: int | None = None,
) -> TrainedArchitecture:
    """Trains `genotype` on the task's training images, from fresh weights; validation images only measure it.

    `skeleton` is by default the one for the task's image size; `epochs` is an upper limit on those of the recipe.

    Raises:
        UnknownObjectiveError: no objective of that name.
    """
    skeleton = skeleton or default_skeleton(task.image_size, task.classes)
    design = json_digest({"genotype": genotype.to_json(), "skeleton": skeleton.to_json()})
    seed = derive_seed(task.seed, "final", task.search_data_key)
    facts = data_facts(
        task.full.train.to(context.device), task.full.validation.to(context.device), classes=task.classes, seed=seed
    )
    config = final_config(facts, objective=objective, epochs=epochs)
    plan = FitPlan(f"cell:{design[:32]}", task.search_data_key, config, seed)

    def build() -> nn.Module:
        return build_cell_network(genotype, skeleton, seed=seed)

    def on_epoch(epoch: int, epochs: int) -> None:
        context.event("epoch", {"epoch": epoch, "epochs": epochs})
        context.progress(epoch / epochs, f"final training, epoch {epoch} of {epochs}")

    row = fit_once(context, plan, build, task.full, on_epoch=on_epoch)
    network = build()
    network.load_state_dict(load_safetensors(context.store.read(row.weights)))
    return TrainedArchitecture(genotype, skeleton, network.to(context.device).eval(), row)


def score_on_test(context: JobContext, task: ResolvedTask, trained: TrainedArchitecture) -> dict[str, Any]:
    """The `test` of a recommendation: the one look of a finished network at the test images.

    It is kept with the network, its predictions as an artifact, so that a second attempt or another job with the same
    network reads what the first look saw.
    """
    if trained.row.test is not None:
        return trained.row.test
    images = task.read_test_images()
    result = evaluate(trained.network, images)
    count = len(images)
    predictions = {"labels": images.labels.tolist(), "predictions": result.predictions.tolist()}
    content = json.dumps(predictions).encode()
    digest = context.store.put(content)
    test = {
        "accuracy": result.accuracy,
        "interval": list(wilson_interval(result.accuracy, count)),
        "balanced_accuracy": result.balanced_accuracy,
        "std_over_seeds": None,
        "seeds": 1,
        "images": count,
        "predictions": digest,
    }
    with context.unit_of_work() as registry:
        registry.results.keep_artifact(digest, len(content), "application/json")
        return registry.results.keep_test(trained.row.key, test)


def _latency_ms(network: nn.Module, skeleton: Skeleton) -> float:
    """Median milliseconds for one image on the network's device, after a warm-up."""
    device = next(network.parameters()).device
    image = torch.zeros(1, 3, skeleton.image_size, skeleton.image_size, device=device)
    times = []
    with torch.no_grad():
        for _ in range(_LATENCY_RUNS):
            started = time.perf_counter()
            network(image)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append((time.perf_counter() - started) * 1000)
    return round(statistics.median(times[_LATENCY_RUNS // 4 :]), 3)
