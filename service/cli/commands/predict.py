"""`ldnas predict`: classifies images with a found network, on this machine."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.commands import completion, options
from service.client.cache import FileCache, cache_folder

if TYPE_CHECKING:
    from service.client.prediction.classify import Prediction
    from service.client.prediction.images import BrokenFile


def predict(
    architecture: Annotated[
        str,
        typer.Argument(
            metavar="ARCHITECTURE",
            help="Id of an architecture in the service (its ONNX file is downloaded once), or a network.onnx file.",
            autocompletion=completion.of_architectures,
        ),
    ],
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE", help="Image files, or folders that are searched for images at any depth."),
    ],
    top: Annotated[int, typer.Option(min=1, help="Number of classes to print for each image.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """Classify images with a found network: ldnas predict network.onnx photographs/ one.png

    Each image is preprocessed exactly as in training, as the file's metadata specifies; torch is not needed. An
    unreadable file is reported, the others are classified, and the exit code is 1.
    """
    from service.client.display.predictions import predictions_shown
    from service.client.display.progress import count_shown
    from service.client.prediction.classifier import open_classifier
    from service.client.prediction.classify import classify
    from service.client.prediction.images import BrokenFile, image_files

    files = list(image_files(images))
    if not files:
        raise typer.BadParameter("the folder contains no images", param_hint="IMAGE")
    path = _network_file(architecture, url, api_key)
    try:
        classifier = open_classifier(path)
    except OSError as error:
        raise typer.BadParameter(f"cannot be read: {error}", param_hint="ARCHITECTURE") from error
    found: list[Prediction | BrokenFile] = []
    with count_shown("classifying") as count, predictions_shown(files, quiet=as_json) as show:
        for outcome in classify(classifier, files, top=top):
            found.append(outcome)
            show(outcome)
            count(len(found), len(files))
    if as_json:
        options.print_json({"architecture": architecture, "classes": classifier.class_names, **_documents(found)})
    if any(isinstance(outcome, BrokenFile) for outcome in found):
        raise typer.Exit(1)


def _network_file(architecture: str, url: str, api_key: str | None) -> Path:
    """The given file, or the service's file, from the cache if possible."""
    from service.client.display.progress import bytes_shown

    file = Path(architecture)
    if file.suffix.lower() == ".onnx" or file.is_file():
        return file
    cache = FileCache(cache_folder(os.environ) / "onnx", ".onnx")
    with options.open_client(url, api_key) as client, bytes_shown("downloading the network") as on_bytes:
        return client.architecture_onnx(architecture, cache, on_bytes)


def _documents(found: "Iterable[Prediction | BrokenFile]") -> dict[str, Any]:
    """The outcomes as JSON; probabilities are fractions in [0, 1]."""
    from service.client.prediction.images import BrokenFile

    images: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for outcome in found:
        if isinstance(outcome, BrokenFile):
            errors.append({"image": str(outcome.path), "detail": outcome.message})
        else:
            classes = [{"class": name, "probability": probability} for name, probability in outcome.classes]
            images.append({"image": str(outcome.path), "predictions": classes})
    return {"images": images, "errors": errors}
