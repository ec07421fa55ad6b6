"""Uploading datasets: the stored files, the refusals, and that a refusal leaves nothing."""

import hashlib
import io
import tarfile
import zipfile
from base64 import b64decode
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save as save_safetensors

from ldnas.data.load import load_dataset
from ldnas.data.reference import DatasetReference
from tests.fuzz.seeds import zipped
from tests.service.dataset_files import npz, parquet, stored_files
from worker.settings import Settings
from worker.storage.artifacts import open_store

WEIGHTS = save_safetensors({"head.weight": np.zeros((2, 3), np.float32), "head.bias": np.zeros(2, np.float32)})


def test_a_zip_of_an_image_folder_is_stored_with_its_counts(
    http: httpx.Client, settings: Settings, stripes_zip: bytes, stripes_folder: Path
) -> None:
    answer = http.put("/v1/datasets/stripes", content=stripes_zip)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == "/v1/datasets/stripes"
    dataset = answer.json()
    assert (dataset["kind"], dataset["bytes"], dataset["images"]) == ("zip", len(stripes_zip), 36)
    assert dataset["sha256"] == hashlib.sha256(stripes_zip).hexdigest()
    assert [count["name"] for count in dataset["classes"]] == ["across", "down", "plain"]
    assert sum(sum(count[split] for split in dataset["counts"]) for count in dataset["classes"]) == 36
    assert (dataset["uri"], dataset["warnings"]) == ("dataset://stripes", [])
    # The digest is that of the folder, read by a job.
    reference = DatasetReference(stripes_folder.as_uri())
    read = load_dataset(reference, roots=[stripes_folder], cache=stripes_folder)
    assert dataset["digest"] == read.digest
    assert open_store(settings).read(dataset["sha256"]) == stripes_zip
    assert http.get("/v1/datasets/stripes").json() == dataset


def test_every_kind_is_recognised_by_its_content(http: httpx.Client) -> None:
    kinds = {}
    for name, content in (("arrays", npz()), ("rows", parquet()), ("weights", WEIGHTS)):
        answer = http.put(f"/v1/datasets/{name}", content=content, headers={"content-type": "text/plain"})
        assert answer.status_code == 201, answer.text
        kinds[name] = answer.json()["kind"]
    assert kinds == {"arrays": "npz", "rows": "parquet", "weights": "safetensors"}
    weights = http.get("/v1/datasets/weights").json()
    assert (weights["tensors"], weights["parameters"]) == (2, 8)
    assert (weights["classes"], weights["images"], weights["digest"], weights["samples"]) == (None,) * 4
    assert http.get("/v1/datasets/weights/samples").status_code == 404
    listed = http.get("/v1/datasets?limit=2").json()
    assert [item["name"] for item in listed["items"]] == ["weights", "rows"]
    rest = http.get(f"/v1/datasets?limit=2&after={listed['next']}").json()
    assert ([item["name"] for item in rest["items"]], rest["next"]) == (["arrays"], None)
    assert "classes" not in rest["items"][0]


def test_a_tar_file_is_stored_with_what_is_passed_over(http: httpx.Client, stripes_folder: Path) -> None:
    (stripes_folder / "down" / "notes.txt").write_text("no image")
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        archive.add(stripes_folder, arcname="stripes")
    dataset = http.put("/v1/datasets/stripes", content=content.getvalue()).json()
    assert (dataset["kind"], dataset["images"]) == ("tar", 36)
    assert dataset["warnings"] == ["passed over: 1 file in stripes/down, not an image (notes.txt)"]
    assert dataset["job_refusals"] == []
    assert "would be refused" not in http.get("/datasets/stripes").text
    assert http.get("/v1/datasets/stripes/samples").json()["classes"][0]["name"] == "across"


@pytest.mark.parametrize(
    ("labels", "remedy"), [([0] * 20, "at least one other class"), ([0] * 17 + [1] * 3, "groups of classes")]
)
def test_the_page_of_a_dataset_that_no_job_can_use_names_a_remedy_that_helps(
    http: httpx.Client, labels: list[int], remedy: str
) -> None:
    assert http.put("/v1/datasets/rows", content=parquet(label=labels)).status_code == 201
    page = http.get("/datasets/rows").text
    assert [words for words in ("at least one other class", "groups of classes") if words in page] == [remedy]


def test_the_same_file_again_is_the_same_dataset_and_another_one_a_conflict(
    http: httpx.Client, settings: Settings
) -> None:
    first = http.put("/v1/datasets/arrays", content=npz())
    before = stored_files(settings)
    again = http.put("/v1/datasets/arrays", content=npz())
    assert (again.status_code, again.json()) == (200, first.json())
    other = http.put("/v1/datasets/arrays", content=parquet())
    assert (other.status_code, other.json()["code"]) == (409, "dataset_name_taken")
    assert other.json()["errors"][0]["field"] == "name"
    assert stored_files(settings) == before
    assert http.get("/v1/datasets/arrays").json() == first.json()


def test_the_same_file_read_by_another_column_is_a_conflict(http: httpx.Client) -> None:
    content = parquet(colour=[row % 4 for row in range(20)])
    assert http.put("/v1/datasets/rows", content=content).json()["columns"] == {}
    other = http.put("/v1/datasets/rows?label_column=colour", content=content)
    assert other.status_code == 409
    coloured = http.put("/v1/datasets/coloured?label_column=colour", content=content).json()
    assert (len(coloured["classes"]), coloured["columns"]) == (4, {"label_column": "colour"})


def test_values_of_more_than_8_bits_have_one_range_that_an_upload_may_state(http: httpx.Client) -> None:
    scans = {f"x_{part}": np.resize(np.arange(900, 1121, dtype=np.uint16), (count, 8, 8)) for part, count in COUNTS}
    found = http.put("/v1/datasets/found", content=npz(**scans)).json()
    assert found["wide_values"]["value_range"] == [0, 2047]
    assert (found["wide_values"]["lowest"], found["wide_values"]["highest"]) == (900, 1120)
    assert "state a narrower value_range, such as [900, 1120]" in found["wide_values"]["warning"]
    stated = http.put("/v1/datasets/stated?value_range=900,1120", content=npz(**scans)).json()
    assert (stated["wide_values"]["levels"], stated["wide_values"]["warning"]) == (221, None)
    assert stated["columns"] == {}
    assert stated["digest"] != found["digest"]
    again = http.put("/v1/datasets/stated?value_range=900,1120.0", content=npz(**scans))
    assert (again.status_code, again.json()) == (200, stated)
    assert http.put("/v1/datasets/found?value_range=0,2047", content=npz(**scans)).status_code == 409
    assert http.put("/v1/datasets/plain", content=npz()).json()["wide_values"] is None
    for name, query in (("a", "value_range=5,1"), ("b", "value_range=x"), ("c", "value_range=0,4095")):
        refused = http.put(f"/v1/datasets/{name}?{query}", content=npz())
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "value_range")


COUNTS = (("train", 24), ("test", 6))
REFUSALS = {
    "nothing": (lambda: b"", "unreadable_dataset", "it"),
    "unknown kind": (lambda: b"GIF89a", "unreadable_dataset", "it"),
    "no images": (lambda: zipped({"notes.txt": b"x"}), "unreadable_dataset", "it"),
    "empty zip": (lambda: zipped({}), "unreadable_dataset", "it"),
    "cut short": (lambda: npz()[:-100], "unreadable_dataset", "it"),
    "traversal": (lambda: zipped({"../a.png": b"x"}), "unreadable_dataset", "it: ../a.png"),
    "nested": (lambda: zipped({"a/b.zip": b"x"}), "unreadable_dataset", "it"),
    "bomb": (lambda: zipped({"a/b.png": bytes(70 * 2**20)}), "unreadable_dataset", "it"),
    "no image": (lambda: zipped({"a/b.png": b"x"}), "broken_image", "a/b.png"),
    "pickled": (lambda: npz(y_test=np.array([{}] * 6)), "unreadable_dataset", "it: y_test"),
    "wrong shape": (lambda: npz(x_test=np.zeros((6, 8), np.uint8)), "unreadable_dataset", "it: x_test"),
    "missing array": (lambda: npz(x_test=None), "unreadable_dataset", "it: y_test"),
    "broken row": (
        lambda: parquet(image=[{"bytes": b"x", "path": None}] * 20),
        "broken_image",
        "it row 0",
    ),
    "a label below zero": (lambda: parquet(label=[-2] * 20), "unreadable_dataset", "it row 0"),
    "damaged weights": (lambda: WEIGHTS[:-1], "unreadable_dataset", "it"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_read_is_refused_with_its_place_and_leaves_nothing(
    http: httpx.Client, settings: Settings, case: str
) -> None:
    content, code, origin = REFUSALS[case]
    answer = http.put("/v1/datasets/it", content=content())
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["errors"][0]["origin"], problem["errors"][0]["field"]) == (code, origin, None)
    assert stored_files(settings) == []
    assert http.get("/v1/datasets/it").status_code == 404


def test_an_image_of_too_many_pixels_is_refused_from_its_header(http: httpx.Client) -> None:
    huge = io.BytesIO()
    Image.new("1", (13_000, 13_000)).save(huge, "PNG")
    answer = http.put("/v1/datasets/it", content=zipped({"a/small.txt": b"", "a/huge.png": huge.getvalue()}))
    assert (answer.status_code, answer.json()["code"]) == (422, "image_size")
    assert answer.json()["errors"][0]["origin"] == "a/huge.png"


def test_a_column_that_is_not_there_is_refused_by_the_query_parameter(http: httpx.Client) -> None:
    for content in (parquet(), npz()):
        problem = http.put("/v1/datasets/it?label_column=colour", content=content).json()
        assert (problem["status"], problem["code"]) == (422, "invalid_reference")
        assert problem["errors"][0]["field"] == "label_column"


@pytest.mark.parametrize("name", ["-it", "a b", "ä", "a" * 65, ".it"])
def test_a_name_that_no_reference_could_carry_is_refused(http: httpx.Client, name: str) -> None:
    problem = http.put(f"/v1/datasets/{name}", content=npz()).json()
    assert (problem["status"], problem["code"], problem["errors"][0]["field"]) == (422, "invalid_name", "name")


def test_a_form_is_refused_as_one(http: httpx.Client) -> None:
    answer = http.put("/v1/datasets/it", files={"file": npz()})
    assert (answer.status_code, "curl -T" in answer.json()["detail"]) == (415, True)


def test_samples_are_training_images_as_png_and_cost_nothing_twice(http: httpx.Client, stripes_zip: bytes) -> None:
    http.put("/v1/datasets/stripes", content=stripes_zip)
    answer = http.get("/v1/datasets/stripes/samples")
    shown = answer.json()
    assert [(entry["name"], len(entry["samples"])) for entry in shown["classes"]] == [
        ("across", 6),
        ("down", 6),
        ("plain", 6),
    ]
    sample = shown["classes"][0]["samples"][0]
    head, _, data = sample["png"].partition(",")
    assert head == "data:image/png;base64"
    with zipfile.ZipFile(io.BytesIO(stripes_zip)) as archive, archive.open(sample["origin"]) as file:
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(b64decode(data)))), np.asarray(Image.open(file)))
    again = http.get("/v1/datasets/stripes/samples", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_no_test_image_is_shown(http: httpx.Client) -> None:
    http.put("/v1/datasets/arrays", content=npz())
    shown = http.get("/v1/datasets/arrays/samples").json()
    origins = [sample["origin"] for entry in shown["classes"] for sample in entry["samples"]]
    assert origins
    assert all(origin.startswith("arrays: x_train row ") for origin in origins)


def test_a_deleted_dataset_takes_its_files_along_and_frees_its_name(http: httpx.Client, settings: Settings) -> None:
    http.put("/v1/datasets/one", content=npz())
    http.put("/v1/datasets/two", content=npz())
    assert http.delete("/v1/datasets/one").status_code == 204
    # The other one has the same file.
    sha256 = http.get("/v1/datasets/two").json()["sha256"]
    assert open_store(settings).path(sha256).exists()
    assert http.delete("/v1/datasets/two").status_code == 204
    assert stored_files(settings) == []
    assert http.delete("/v1/datasets/two").status_code == 404
    assert http.put("/v1/datasets/one", content=parquet()).status_code == 201
