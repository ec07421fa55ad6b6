"""The evaluation of a recommendation: what its network makes of each test image, counted by class."""

import json
from collections.abc import Sequence

from ldnas.intervals import wilson_interval
from service.errors import MissingArtifactError, NotEvaluatedError
from service.schemas.evaluation import ClassRecall, Evaluation, WrongImage
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
        raise NotEvaluatedError(
            f"the network of recommendation {recommendation.id} has not seen the test images; "
            "it does once it is trained"
        )
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
    wrong = [position for position, label in enumerate(labels) if predictions[position] != label]
    wrong.sort(key=lambda position: -(probabilities[position] or 0.0))
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
            )
            for position in wrong[:MAX_ERRORS]
        ],
    )


def _recall(name: str, row: Sequence[int], place: int) -> ClassRecall:
    images = sum(row)
    if not images:
        return ClassRecall(name=name, images=0, recall=None, interval=None)
    recall = row[place] / images
    return ClassRecall(name=name, images=images, recall=recall, interval=wilson_interval(recall, images))
