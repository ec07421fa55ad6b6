"""`ldnas predict`: the probabilities are torch's, and each file that is broken is named."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from ldnas.data.load import load_dataset
from ldnas.data.preprocessing import Preprocessing, to_tensor_images
from ldnas.data.reference import DatasetReference
from ldnas.data.task_data import ImageSet
from ldnas.networks.design import Design
from ldnas.training.evaluation import predict_logits
from service.cli import command as cli
from service.client.prediction import classify as classify_module
from service.client.prediction.classifier import open_classifier
from service.client.prediction.classify import Prediction, classify
from service.client.prediction.images import BrokenFile, image_files
from tests.ldnas.export.designs import PLAIN, PRETRAINED, cell, kind_of

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda *arguments: CliRunner().invoke(cli.app, ["predict", *map(str, arguments)], catch_exceptions=True)


def by_torch(found: Any, pictures: Path) -> dict[str, dict[str, float]]:
    """The network's predictions for the images as training reads them: path → class → probability."""
    dataset = load_dataset(DatasetReference(pictures.as_uri()), roots=[pictures], cache=pictures)
    images = to_tensor_images(dataset.images, Preprocessing(found.image_size))
    logits = predict_logits(found.network, ImageSet(images, torch.from_numpy(dataset.labels)))
    rows = logits.double().softmax(dim=1).tolist()
    return {
        str(pictures / origin): dict(zip(found.class_names, row, strict=True))
        for origin, row in zip(dataset.origins, rows, strict=True)
    }


@pytest.mark.parametrize("design", [cell(8), cell(32), PLAIN, PRETRAINED], ids=kind_of)
def test_the_probabilities_of_every_kind_of_file_are_those_of_torch(
    find: Callable[[Design], Any], pictures: Path, run: Run, design: Design
) -> None:
    found = find(design)
    result = run(found.file, pictures, "--json", "--top", 9)
    assert result.exit_code == 0, result.stderr
    images = json.loads(result.stdout)["images"]
    printed = {image["image"]: {one["class"]: one["probability"] for one in image["predictions"]} for image in images}
    expected = by_torch(found, pictures)
    assert printed.keys() == expected.keys()
    assert len(expected) == 10
    assert np.std([list(row.values()) for row in expected.values()], axis=0).min() > 0.01, "all alike proves nothing"
    for path, row in expected.items():
        assert printed[path] == pytest.approx(row, abs=1e-4), path


def test_batches_do_not_change_the_predictions(found: Any, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier, paths = open_classifier(found.file), list(image_files([pictures]))
    whole = list(classify(classifier, paths, top=3))
    monkeypatch.setattr(classify_module, "BATCH_IMAGES", 3)
    parts = list(classify(classifier, paths, top=3))
    assert [outcome.path for outcome in parts] == paths
    for one, other in zip(whole, parts, strict=True):
        assert isinstance(one, Prediction)
        assert isinstance(other, Prediction)
        assert dict(one.classes) == pytest.approx(dict(other.classes), abs=1e-6)


def test_a_line_lists_the_most_probable_classes_first_and_no_more_than_asked(
    found: Any, pictures: Path, run: Run
) -> None:
    image = pictures / "first" / "colour.png"
    row = by_torch(found, pictures)[str(image)]
    ordered = sorted(row, key=lambda name: -row[name])
    result = run(found.file, image, "--top", 2)
    clean = [name.replace("\x1b", " ") for name in ordered]
    expected = f"{image}  {row[ordered[0]]:.3f} {clean[0]}   {row[ordered[1]]:.3f} {clean[1]}\n"
    assert result.stdout == expected
    assert "\x1b" not in run(found.file, pictures, "--top", 3).stdout


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_broken_file_is_named_in_one_line_while_the_others_are_done(
    found: Any, pictures: Path, run: Run, as_json: bool
) -> None:
    whole = pictures / "first" / "grey.png"
    broken = pictures / "first" / "broken.png"
    broken.write_bytes(whole.read_bytes()[:60])
    missing = pictures / "not_there.jpg"
    result = run(found.file, broken, whole, missing, *(["--json"] if as_json else []))
    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first.startswith(f"ldnas: {broken} cannot be decoded as an image")
    assert second.startswith(f"ldnas: {missing} cannot be decoded as an image")
    if as_json:
        document = json.loads(result.stdout)
        assert [image["image"] for image in document["images"]] == [str(whole)]
        assert [error["image"] for error in document["errors"]] == [str(broken), str(missing)]
        assert document["classes"] == list(found.class_names)
    else:
        assert [line.split()[0] for line in result.stdout.splitlines()] == [str(whole)]


def test_a_folder_gives_its_images_at_any_depth_in_order_and_nothing_hidden(tmp_path: Path) -> None:
    names = ("b.PNG", "a/c.jpg", "a.gif", "notes.txt", ".hidden/d.png", "a/.e.png")
    for name in names:
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).touch()
    named = tmp_path / "folder" / "notes.txt"
    found = image_files([tmp_path / "folder", named])
    assert [path.relative_to(tmp_path / "folder").as_posix() for path in found] == [
        "a/c.jpg",
        "a.gif",
        "b.PNG",
        "notes.txt",
    ]


def test_a_folder_without_images_is_a_mistake_of_the_command_line(found: Any, tmp_path: Path, run: Run) -> None:
    result = run(found.file, tmp_path)
    assert (result.exit_code, "the folder contains no images" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, "has no class names"),
        ({"class_names": '["a", 1]'}, "has no class names"),
        ({"class_names": '["a", "b", "a"]'}, "two classes called 'a', outputs 0 and 2"),
        ({"class_names": '["a", "b", "c"]', "preprocessing": "{"}, "needs the preprocessing None"),
        (
            {"class_names": '["a", "b", "c"]', "preprocessing": '{"recipe": "oval/2", "image_size": 16}'},
            "needs the preprocessing 'oval/2'; this release supports 'square/bilinear/1'",
        ),
        (
            {"class_names": '["a", "b", "c"]', "preprocessing": '{"recipe": "square/bilinear/1", "image_size": 4000}'},
            "image_size is 4000",
        ),
        (
            {"class_names": '["a", "b", "c"]', "preprocessing": '{"recipe": "square/bilinear/1", "image_size": 8}'},
            "does not accept these images",
        ),
        (
            {"class_names": '["a", "b"]', "preprocessing": '{"recipe": "square/bilinear/1", "image_size": 16}'},
            r"output for 1 images has shape \(1, 3\)",
        ),
    ],
)
def test_a_network_that_cannot_be_used_says_why(
    found: Any, pictures: Path, tmp_path: Path, run: Run, metadata: dict[str, str], expected: str
) -> None:
    model = onnx.load(found.file)
    del model.metadata_props[:]
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, tmp_path / "other.onnx")
    result = run(tmp_path / "other.onnx", pictures / "first" / "grey.png")
    with pytest.raises(Exception, match=expected):
        raise result.exception
    assert result.stdout == ""


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04"])
def test_a_file_that_is_not_onnx_is_refused_in_one_line(
    pictures: Path, tmp_path: Path, run: Run, content: bytes
) -> None:
    file = tmp_path / "network.onnx"
    file.write_bytes(content)
    refusal = str(run(file, pictures).exception)
    assert refusal.startswith(f"{file} is not a readable ONNX network: ")
    assert "\n" not in refusal


def test_a_network_file_that_is_not_there_is_a_mistake_of_the_command_line(
    pictures: Path, tmp_path: Path, run: Run
) -> None:
    result = run(tmp_path / "nothing.onnx", pictures)
    assert (result.exit_code, "cannot be read" in result.stderr) == (2, True)


def test_an_onnx_file_cannot_make_the_runtime_read_another_file(found: Any, tmp_path: Path, pictures: Path) -> None:
    """Its weights moved out of it, as ONNX allows: the runtime does not search for them next to it, or anywhere."""
    folder = tmp_path / "outside"
    folder.mkdir()
    model = onnx.load(found.file)
    onnx.save(model, folder / "network.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(Exception, match="not a readable ONNX network"):
        open_classifier(folder / "network.onnx")


def test_predicting_needs_neither_torch_nor_what_a_service_needs_and_leaves_nothing_behind(
    found: Any, pictures: Path, tmp_path: Path
) -> None:
    code = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "fastapi", "uvicorn", "sqlalchemy", "celery", "pyarrow"}:
            raise ModuleNotFoundError(f"blocked: {name}", name=name)
        if name == missing:
            raise ModuleNotFoundError(f"blocked: {name}", name=name)
missing, *arguments = sys.argv[1:]
sys.meta_path.insert(0, Blocked())
from service.cli.command import main
sys.argv = ["ldnas", "predict", *arguments]
main()
"""
    image = pictures / "first" / "grey.png"

    def predict(missing: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, missing, str(found.file), str(image)]
        kept = ("PATH", "PYTHONPATH", "OMP_NUM_THREADS")
        environment = {name: os.environ[name] for name in kept if name in os.environ} | {"HOME": str(home)}
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)

    home = tmp_path / "home"
    home.mkdir()
    whole = predict("")
    assert (whole.returncode, whole.stdout.split()[0]) == (0, str(image)), whole.stderr
    assert list(home.rglob("*")) == []
    without = predict("onnxruntime")
    assert "onnxruntime is not installed; run pip install 'ldnas[predict]'" in without.stderr


def test_a_file_that_is_no_longer_there_breaks_nothing_else(found: Any, pictures: Path) -> None:
    paths = list(image_files([pictures]))
    shutil.rmtree(pictures / "second")
    outcomes = list(classify(open_classifier(found.file), paths, top=1))
    assert [isinstance(outcome, BrokenFile) for outcome in outcomes] == ["second" in str(path) for path in paths]


def test_an_image_that_is_too_small_or_too_large_is_refused_with_its_size(found: Any, tmp_path: Path) -> None:
    Image.new("L", (1, 5)).save(tmp_path / "thin.png")
    (outcome,) = classify(open_classifier(found.file), [tmp_path / "thin.png"], top=1)
    assert isinstance(outcome, BrokenFile)
    assert "is 1×5 pixels" in outcome.message
