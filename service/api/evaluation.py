"""The test evaluation of a recommendation: its network's predictions on the test images, counted by class."""

import json
from collections.abc import Sequence

from ldnas.intervals import wilson_interval
from ldnas.wrong_images import most_confident_errors
from service.api.errors import MissingArtifactError, NoErrorSheetError, NotEvaluatedError
from service.schemas.evaluation import ClassRecall, ErrorSheet, Evaluation, WrongImage
from worker.registry import RecommendationRow
from worker.storage.artifacts import ArtifactStore

MAX_ERRORS = 1000


def evaluation_document(recommendation: RecommendationRow, store: ArtifactStore) -> Evaluation:
    """The evaluation, from the predictions that the worker stored.

    Raises:
        NotEvaluatedError: the network is not trained yet.
        MissingArtifactError: the predictions are no longer in the store.
    """
    digest = (recommendation.document.get("test") or {}).get("predictions")
    if digest is None:
        raise _not_evaluated(recommendation)
    try:
        stored = json.loads(store.read(digest))
    except FileNotFoundError as error:
        raise MissingArtifactError(f"the predictions {digest} are no longer in the artifact store") from error
    classes = recommendation.document["target"]["classes"]
    labels, predictions = stored["labels"], stored["predictions"]
    confusion = [[0] * len(classes) for _ in classes]
    for label, prediction in zip(labels, predictions, strict=True):
        confusion[label][prediction] += 1
    # Predictions that an older worker stored have no probabilities.
    probabilities = stored.get("probabilities") or [None] * len(labels)
    wrong = most_confident_errors(labels, predictions, stored.get("probabilities"))
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


def error_sheet_digest(recommendation: RecommendationRow) -> str:
    """The artifact with the picture of the most confident errors.

    Raises:
        NotEvaluatedError: the network is not trained yet.
        NoErrorSheetError: it made no error, or its worker stored no picture.
    """
    test = recommendation.document.get("test") or {}
    if test.get("predictions") is None:
        raise _not_evaluated(recommendation)
    digest: str | None = (test.get("error_sheet") or {}).get("artifact")
    if digest is None:
        raise NoErrorSheetError(
            f"recommendation {recommendation.id} has no picture of errors: its network made no error, or a worker of "
            "an earlier version stored no picture, and networks are evaluated on test images only once"
        )
    return digest


def _not_evaluated(recommendation: RecommendationRow) -> NotEvaluatedError:
    return NotEvaluatedError(
        f"the network of recommendation {recommendation.id} is not evaluated yet; it is once it is trained"
    )


def _recall(name: str, row: Sequence[int], place: int) -> ClassRecall:
    images = sum(row)
    if not images:
        return ClassRecall(name=name, images=0, recall=None, interval=None)
    recall = row[place] / images
    return ClassRecall(name=name, images=images, recall=recall, interval=wilson_interval(recall, images))
