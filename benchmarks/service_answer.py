"""A recommendation's request and answer as the stages of a job write them, with numbers that are drawn."""

import random
from collections.abc import Sequence
from typing import Any

from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import default_skeleton

PRIMITIVES = ("identity", "sep_conv_5x5", "conv_7x1_1x7")
SKELETON = default_skeleton(16, 2).to_json()
LAYERS = ("stem", "block1", "block2", "block3", "block4", "block5")
MEASURES = ("log_det_layerwise", "frechet", "logme")
STAGES = {"resolve": 0.4, "fit": 5.0, "distance": 15.9, "search": 10.0, "train": 7.8, "export": 2.6}
_DIGEST = "f0" * 32


def request_document(baselines: Sequence[str]) -> dict[str, Any]:
    """The request of a recommendation."""
    return {
        "dataset": {"uri": "builtin://digits"},
        "labels": {"groups": [["2", "3", "5", "7"]], "rest": True, "names": None},
        "baselines": [*baselines],
        "objective": "balanced_accuracy",
        "search": {"strategy": "fuse", "k": 1},
        "budget": {"iterations": 3},
        "seed": 0,
        "priority": 0,
    }


def answer_document(baselines: Sequence[str], architecture: str, draw: random.Random) -> dict[str, Any]:
    """What became known, from the first stage to the last: some 7 kB."""
    distances = sorted((_distance(task, draw) for task in baselines), key=lambda entry: entry["mean"])
    first = distances[0]
    closest = {"task_id": first["task_id"], "name": first["name"], "distance": first["mean"], "probability": 0.95}
    scores = {"accuracy": draw.random(), "balanced_accuracy": draw.random(), "macro_f1": draw.random()}
    return {
        "target": {
            "dataset": {"uri": "builtin://digits"},
            "classes": ["prime", "rest"],
            "train": 1221,
            "validation": 304,
            "test": 272,
            "image_size": 16,
            "digests": {"dataset": _DIGEST, "mapping": _DIGEST, "preprocessing": _DIGEST},
        },
        "approximation": True,
        "verdict": "closest",
        "tied": [],
        "closest": closest,
        "scale": {"self_distance": draw.random(), "untrained_distance": 1.0 + draw.random()},
        "distances": distances,
        "eligibility": [{"task_id": task, "name": _name(task), "eligible": True, "reason": None} for task in baselines],
        "search_space": _space(first["task_id"]),
        "search": _search(),
        "architecture": {
            "id": architecture,
            "genotype": draw_genotype(draw),
            "skeleton": SKELETON,
            "parameters": 183_202,
            "macs": 6_581_376,
            "latency_ms": None,
        },
        "validation": scores,
        "test": {**scores, "interval": [0.94, 0.99], "recall": [0.97, 0.98], "std_over_seeds": None, "seeds": 1},
        "warnings": ["some layers have fewer than 100 weights"],
        "cost": {"stage_seconds": STAGES, "device": "cpu", "device_seconds": 41.7, "micro_batch": None},
        "provenance": {
            "seed": 0,
            "recipe": {"network": "small_cnn", "variant": "empirical", "head": "probe", "digest": _DIGEST},
            "digests": {"dataset": _DIGEST, "mapping": _DIGEST, "preprocessing": _DIGEST},
            "versions": {"ldnas": "0.2.0", "torch": "2.11.0", "torchvision": "0.26.0", "python": "3.12.0"},
        },
    }


def draw_genotype(draw: random.Random) -> dict[str, Any]:
    """A cell."""
    return Genotype(tuple(draw.choice(PRIMITIVES) for _ in range(6))).to_json()


def _name(task_id: str) -> str:
    return f"baseline {task_id[:8]}"


def _distance(task_id: str, draw: random.Random) -> dict[str, Any]:
    mean = draw.random()
    return {
        "task_id": task_id,
        "name": _name(task_id),
        "measure": MEASURES[0],
        "comparable": True,
        "approximation": True,
        "mean": mean,
        "std": 0.2 * mean,
        "signed": mean,
        "others": {measure: draw.random() for measure in MEASURES[1:]},
        "mend": None,
        "interval": [0.7 * mean, 1.4 * mean],
        "repetitions": 3,
        "samples": 1024,
        "contributions": [{"layer": layer, "value": draw.random()} for layer in LAYERS],
        "probability_closest": draw.random(),
        "standard_error": 0.05 * mean,
    }


def _space(source: str) -> dict[str, Any]:
    return {
        "source_task_ids": [source],
        "primitives": [*PRIMITIVES],
        "nodes": 4,
        "skeleton": SKELETON,
        "size": 729,
        "fraction_of_full": 729 / 262_144,
    }


def _search() -> dict[str, Any]:
    return {
        "strategy": "fuse",
        "settings": {"candidates": 3, "rounds": 2, "iterations": 3},
        "splits": 1,
        "constraints": {},
        "forecast": {"iteration": 3.1, "search": 9.3, "training": 7.0, "job": 45.0, "spent": 21.3},
        "scored": 9,
    }
