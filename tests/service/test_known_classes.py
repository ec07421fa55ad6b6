"""A request for data whose classes the service knows: wrong labels are refused, the classes are in the answer."""

from itertools import chain
from typing import Any

import httpx
import numpy as np
import pytest

from ldnas.data.dataset import Split
from ldnas.data.load import decode_all
from ldnas.data.readers.builtin import read_digits
from ldnas.data.reference import DatasetReference
from service.api.submissions.classes import DIGITS_CLASSES
from service.api.submissions.expectation import expectation_of
from tests.service.dataset_files import npz, parquet
from worker.specification import RecommendationRequest

DIGITS = {"uri": "builtin://digits"}


def asked(http: httpx.Client, dataset: dict[str, Any], groups: list[list[Any]] | None, **more: Any) -> dict[str, Any]:
    labels = None if groups is None else {"groups": groups, "rest": True}
    answer = http.post("/v1/recommendations", json={"dataset": dataset, "labels": labels, **more})
    document: dict[str, Any] = answer.json()
    return document


def names(document: dict[str, Any]) -> list[str]:
    return [count["name"] for count in document["target"]["class_counts"]]


def test_the_counts_of_the_built_in_digits_are_those_of_the_scans() -> None:
    dataset = decode_all(read_digits(), DatasetReference("builtin://digits"))
    for split in Split:
        found = np.bincount(dataset.labels[dataset.indices(split)], minlength=10).tolist()
        assert [getattr(count, split) for count in DIGITS_CLASSES] == found
    assert tuple(count.name for count in DIGITS_CLASSES) == dataset.class_names


@pytest.mark.parametrize("path", ["/v1/recommendations", "/v1/tasks"])
def test_labels_that_the_data_does_not_have_are_refused_at_once(http: httpx.Client, path: str) -> None:
    body = {"name": "x", "dataset": DIGITS, "labels": {"groups": [["seven"]], "rest": True}}
    problem = http.post(path, json=body).json()
    assert (problem["status"], problem["code"]) == (422, "unknown_label")
    assert problem["errors"][0]["field"] == "labels.groups"
    assert "9 = '9'" in problem["detail"]
    assert http.get("/v1/jobs").json()["items"] == []


def test_the_answer_has_the_classes_of_an_uploaded_dataset_with_their_images(http: httpx.Client) -> None:
    columns = {"kind": [f"{row % 4 + 1:03}" for row in range(20)]}
    assert http.put("/v1/datasets/padded?label_column=kind", content=parquet(**columns)).status_code == 201
    document = asked(http, {"uri": "dataset://padded"}, [["001"]])
    assert names(document) == ["001", "rest"]
    assert document["target"]["classes"] == ["001", "rest"]
    images = [count["train"] + count["validation"] + count["test"] for count in document["target"]["class_counts"]]
    assert images == [5, 15]
    assert document["expected"]["images"] == 20
    task = http.get(f"/v1/tasks/{document['target']['task_id']}").json()
    assert task["class_counts"] == document["target"]["class_counts"]
    other_column = asked(http, {"uri": "dataset://padded", "label_column": "label"}, [["001"]])
    assert other_column["target"]["class_counts"] is None
    other_range = asked(http, {"uri": "dataset://padded", "value_range": [0, 4095]}, [["001"]])
    assert other_range["target"]["class_counts"] is None
    other_split = {"train": 0.5, "validation": 0.25, "test": 0.25}
    assert asked(http, {"uri": "dataset://padded", "fractions": other_split}, [["001"]])["expected"]["images"] is None
    assert asked(http, {"uri": "dataset://padded", "fractions": other_split}, [["1"]])["status"] == 422


def test_classes_that_every_job_refuses_are_warned_of_at_the_upload_and_refused_in_a_request(
    http: httpx.Client,
) -> None:
    words = "class '1' has no test image; every split needs at least one of each class"
    uploaded = http.put("/v1/datasets/uneven", content=npz(y_test=np.zeros(6, np.int64)))
    assert (uploaded.status_code, uploaded.json()["job_refusals"]) == (201, [words])
    assert words in http.get("/datasets/uneven").text.replace("Class &#39;1&#39;", "class '1'")
    problem = asked(http, {"uri": "dataset://uneven"}, None)
    assert (problem["status"], problem["detail"]) == (422, words)


def test_the_answer_says_what_it_will_take(http: httpx.Client) -> None:
    document = asked(http, DIGITS, None, image_size=16)
    assert document["expected"] == {
        "seconds": 180.0,
        "iterations": None,
        "is_default": True,
        "device": None,
        "images": 1797,
        "image_size": 16,
    }
    given = asked(http, DIGITS, None, budget={"seconds": 60})["expected"]
    assert (given["seconds"], given["is_default"]) == (60.0, False)
    searched = asked(http, DIGITS, None, search={"strategy": "fuse"})["expected"]
    assert (searched["seconds"], searched["iterations"], searched["is_default"]) == (None, 12, True)


@pytest.mark.parametrize(
    ("workers", "device"),
    [
        ([], None),
        ([["cpu"]], "cpu"),
        ([["cuda:0", "cuda:1"], ["cuda:0"]], "cuda"),
        ([["cpu"], ["cuda:0"]], None),
        ([["auto"]], None),
    ],
)
def test_the_device_is_that_of_all_living_workers(workers: list[list[str]], device: str | None) -> None:
    request = RecommendationRequest.model_validate({"dataset": DIGITS})
    assert expectation_of(request, 180.0, [*chain.from_iterable(workers)])["device"] == device
