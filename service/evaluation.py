"""The evaluation of a recommendation: what its network makes of each test image, counted by class."""

import json
from collections.abc import Sequence

from ldnas.intervals import wilson_interval
from ldnas.wrong_images import surest_errors
from service.errors import MissingArtifactError, NoErrorSheetError, NotEvaluatedError
from service.schemas.evaluation import ClassRecall, ErrorSheet, Evaluation, WrongImage
from worker.artifacts import ArtifactStore
from worker.registry.models import Recommendation

MAX_ERRORS = 1000


def evaluation_document(recommendation: Recommendation, store: ArtifactStore) -> Evaluation:
    """The evaluation, from the predictions that the worker kept.

    Raises:
        NotEvaluatedError: the network is not finished.
        MissingArtifactError: the predictions are no longer in the store.
    """
    digest = (recommendation.document.get("test") or {}).get("predictions")
    if digest is None:
        raise _not_evaluated(recommendation)
    try:
        kept = json.loads(store.read(digest))
    except FileNotFoundError as error:
        raise MissingArtifactError(f"the predictions {digest} are no longer in the artifact store") from error
    classes = recommendation.document["target"]["classes"]
    labels, predictions = kept["labels"], kept["predictions"]
    confusion = [[0] * len(classes) for _ in classes]
    for label, prediction in zip(labels, predictions, strict=True):
        confusion[label][prediction] += 1
    # Predictions that an older worker kept are without probabilities.
    probabilities = kept.get("probabilities") or [None] * len(labels)
    wrong = surest_errors(labels, predictions, kept.get("probabilities"))
    sheet = recommendation.document["test"].get("error_sheet") or {"artifact": None, "positions": []}
    places = {position: place for place, position in enumerate(sheet["positions"])}
    return Evaluation(
        recommendation_id=recommendation.id,
        classes=classes,
        images=len(labels),
        confusion=confusion,
        recall=[_recall(name, row, place) for place, (name, row) in enumerate(zip(classes, confusion, strict=True))],
        wrong=len(wrong),
        errors=[
            WrongImage(
                position=position,
                true=classes[labels[position]],
                predicted=classes[predictions[position]],
                probability=probabilities[position],
                place=places.get(position),
            )
            for position in wrong[:MAX_ERRORS]
        ],
        sheet=None
        if sheet["artifact"] is None
        else ErrorSheet(
            path=f"/v1/recommendations/{recommendation.id}/errors.png",
            images=len(places),
            columns=sheet["columns"],
        ),
    )


def error_sheet_digest(recommendation: Recommendation) -> str:
    """The artifact with the picture of the surest errors.

    Raises:
        NotEvaluatedError: the network is not finished.
        NoErrorSheetError: it made no error, or was finished by a worker that kept no picture.
    """
    test = recommendation.document.get("test") or {}
    if test.get("predictions") is None:
        raise _not_evaluated(recommendation)
    digest: str | None = (test.get("error_sheet") or {}).get("artifact")
    if digest is None:
        raise NoErrorSheetError(
            f"there is no picture of errors of recommendation {recommendation.id}: its network made none, or a worker "
            "of an earlier version kept none, and test images are looked at only once"
        )
    return digest


def _not_evaluated(recommendation: Recommendation) -> NotEvaluatedError:
    return NotEvaluatedError(
        f"the network of recommendation {recommendation.id} has not seen the test images; it does once it is trained"
    )


def _recall(name: str, row: Sequence[int], place: int) -> ClassRecall:
    images = sum(row)
    if not images:
        return ClassRecall(name=name, images=0, recall=None, interval=None)
    recall = row[place] / images
    return ClassRecall(name=name, images=images, recall=recall, interval=wilson_interval(recall, images))
