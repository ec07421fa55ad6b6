"""A race put into the registry as a worker would have run it."""

from typing import Any

from ldnas.space.genotype import Genotype
from worker.registry import Engine, unit_of_work
from worker.storage.folder_store import FolderStore

REQUEST: dict[str, Any] = {
    "name": "raced",
    "dataset": {"uri": "builtin://digits"},
    "search": {"strategy": "race"},
}
PLAIN = {"kind": "plain", "width": 16, "image_size": 16, "classes": 2, "name": "resnet18"}
PRETRAINED = {"kind": "pretrained", "image_size": 64, "classes": 2, "name": "tf_efficientnet_lite0"}
CELL = {
    "kind": "cell",
    "genotype": Genotype(("identity", "sep_conv_3x3", "identity") * 2).to_json(),
    "skeleton": {"image_size": 32, "classes": 2, "stem_channels": 4, "stages": [{"channels": 4, "cells": 1}]},
}
ALTERNATIVES: list[dict[str, Any]] = [
    {
        "name": "tf_efficientnet_lite0 at 64 px",
        "kind": "pretrained",
        "design": PRETRAINED,
        "started_from": "ImageNet",
        "validation": 0.953,
        "standard_error": 0.0125,
        "parameters": 3_374_570,
        "macs": 31_900_000,
        "latency_ms": 12.5,
        "epochs": 9,
        "seconds": 101.5,
        "left": None,
        "on_front": True,
    },
    {
        "name": "cell 0a1b2c3d at 32 px",
        "kind": "cell",
        "design": CELL,
        "started_from": None,
        "validation": 0.91,
        "standard_error": 0.014,
        "parameters": 52_100,
        "macs": 1_900_000,
        "latency_ms": 2.5,
        "epochs": 6,
        "seconds": 11.0,
        "left": 0,
        "on_front": True,
    },
    {
        "name": "resnet18 width 16 at 16 px",
        "kind": "plain",
        "design": PLAIN,
        "started_from": None,
        "validation": 0.9,
        "standard_error": 0.015,
        "parameters": 702_626,
        "macs": 2_300_000,
        "latency_ms": 4.0,
        "epochs": 12,
        "seconds": 21.25,
        "left": 1,
        "on_front": False,
    },
]
REASON = (
    "the images have features in common with the photographs of ImageNet: tf_efficientnet_lite0 at 64 px scores 95.3 % "
    "on validation images, +4.3 ± 1.9 points over the best cell, cell 0a1b2c3d at 32 px"
)
MEMORY = {"tasks": 9, "cells": 44, "starter": True, "closeness": "all tasks count alike: too few tasks to say"}
MEMORY_SENTENCE = (
    "The cells were chosen by the scores of 44 cells on 9 tasks, the starter memory among them; all tasks count "
    "alike: too few tasks to say."
)
CYCLES: list[dict[str, Any]] = [
    {"candidate": name, "candidate_kind": kind, "rung": rung, "epochs": epochs, "seconds": 2.5, "score": score}
    | {"standard_error": 0.02}
    for name, kind, rung, epochs, score in (
        ("tf_efficientnet_lite0 at 64 px", "pretrained", 0, 0, 0.75),
        ("tf_efficientnet_lite0 at 64 px", "pretrained", 0, 3, 0.9),
        ("resnet18 width 16 at 16 px", "plain", 0, 4, 0.8),
        ("tf_efficientnet_lite0 at 64 px", "pretrained", 1, 6, 0.953),
    )
]


def store_network(engine: Engine, store: FolderStore, asked: dict[str, Any], design: dict[str, Any]) -> str:
    """A finished network of this design, with the id of its architecture."""
    files = {file: store.put(file.encode()) for file in ("weights", "code", "program", "onnx", "card")}
    with unit_of_work(engine) as registry:
        for file, digest in files.items():
            registry.results.store_artifact(digest, len(file), "application/octet-stream")
        return registry.architectures.insert_once(
            recommendation_id=asked["id"],
            job_id=asked["job_id"],
            name="raced",
            design=design,
            genotype=design.get("genotype"),
            skeleton=design.get("skeleton"),
            class_names=["a", "b"],
            preprocessing={"image_size": design.get("image_size", 32)},
            parameters=3_374_570,
            macs=31_900_000,
            validation={"accuracy": 0.953},
            test={"accuracy": 0.94},
            **files,
        ).id


def run_race(engine: Engine, asked: dict[str, Any], cycles: list[dict[str, Any]], **parts: Any) -> None:
    """Lets a worker claim the job, report these cycles, and store parts of the answer."""
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(asked["job_id"], worker="w", lease_seconds=3600)
        registry.leases.progress(
            job.id, job.attempt, stage="search", fraction=0.5, message="it races", eta_seconds=60.0
        )
        for cycle in cycles:
            registry.leases.add_event(job.id, job.attempt, "cycle", cycle)
        registry.recommendations.merge_document(asked["id"], job.id, job.attempt, parts)


def finish_race(engine: Engine, store: FolderStore, asked: dict[str, Any], **parts: Any) -> None:
    """Lets a worker run the race to its end; the pretrained network wins."""
    architecture = {"id": store_network(engine, store, asked, PRETRAINED), "kind": "pretrained", "design": PRETRAINED}
    found = {
        "target": {"classes": ["a", "b"], "train": 900, "validation": 300, "test": 300, "image_size": 16},
        "verdict": "no_baseline",
        "distances": [],
        "search_space": {
            "primitives": ["identity"],
            "size": 729,
            "fraction_of_full": 1.0,
            "skeleton": CELL["skeleton"],
        },
        "search": {
            "strategy": "race",
            "reason": REASON,
            "memory": MEMORY,
            "passed_over": [{"name": "resnet18 width 64 at 16 px", "kind": "plain"}],
        },
        "alternatives": ALTERNATIVES,
        "architecture": architecture | {"parameters": 3_374_570, "macs": 31_900_000, "latency_ms": 12.5},
        "test": {"accuracy": 0.94, "interval": [0.91, 0.96], "balanced_accuracy": 0.939},
        "cost": {"stage_seconds": {"search": 160.0}, "device": "cpu", "device_seconds": 170.0},
    }
    run_race(engine, asked, CYCLES, **(found | parts))
    with unit_of_work(engine) as registry:
        # The worker links the cells that took part to the target, as a search does.
        cells = [
            {"digest": one["name"][:8], "genotype": one["design"]["genotype"], "validation_accuracy": one["validation"]}
            for one in ALTERNATIVES
            if one["kind"] == "cell"
        ]
        rows = registry.results.store_search(f"race {asked['id']}", "race", cells)
        registry.task_results.link_genotypes(
            registry.recommendations.get(asked["id"]).task_id, [row.id for row in rows]
        )
        job = registry.jobs.get(asked["job_id"])
        registry.leases.finish(job.id, job.attempt, {})
