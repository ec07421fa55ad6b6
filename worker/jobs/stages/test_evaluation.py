"""The test evaluation of a finished network, and its stored results: scores, predictions, wrong images."""

import json
from typing import Any

from torch import nn

from ldnas.data.contact_sheet import contact_sheet
from ldnas.data.task_data import ImageSet
from ldnas.intervals import wilson_interval
from ldnas.training.evaluation import evaluate
from ldnas.wrong_images import most_confident_errors
from worker.jobs.context import JobContext

SHEET_IMAGES = 48
SHEET_COLUMNS = 8
SHEET_PIXELS = 96
"""The largest side of an image in the picture: enough for a person to recognise it."""


def look(context: JobContext, network: nn.Module, key: str, images: ImageSet) -> dict[str, Any]:
    """The test scores of the network under this key, stored with it.

    The images are not read again, so the picture of the most confident errors is drawn now: `error_sheet` has its
    artifact and the positions of the images on it, row by row.
    """
    result = evaluate(network, images, micro_batches=context.compute.micro_batches)
    predictions = {
        "labels": images.labels.tolist(),
        "predictions": result.predictions.tolist(),
        "probabilities": [round(probability, 6) for probability in result.probabilities.tolist()],
    }
    shown = most_confident_errors(**predictions)[:SHEET_IMAGES]
    files = {"predictions": ("application/json", json.dumps(predictions).encode())}
    if shown:
        files["sheet"] = ("image/png", _sheet(images, shown))
    stored = {name: (context.store.put(content), len(content), kind) for name, (kind, content) in files.items()}
    test = {
        "accuracy": result.accuracy,
        "interval": list(wilson_interval(result.accuracy, len(images))),
        "balanced_accuracy": result.balanced_accuracy,
        "macro_f1": result.macro_f1,
        "recall": list(result.recall),
        "images": len(images),
        "predictions": stored["predictions"][0],
        "error_sheet": {
            "artifact": stored["sheet"][0] if shown else None,
            "positions": shown,
            "columns": SHEET_COLUMNS,
        },
    }
    with context.unit_of_work() as registry:
        for artifact in stored.values():
            registry.results.store_artifact(*artifact)
        return registry.results.store_test(key, test)


def _sheet(images: ImageSet, positions: list[int]) -> bytes:
    pixels = images.images[positions].cpu().numpy()
    return contact_sheet(pixels, columns=SHEET_COLUMNS, pixels=min(SHEET_PIXELS, pixels.shape[-1]))
