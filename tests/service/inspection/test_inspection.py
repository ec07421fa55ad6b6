"""The report on a dataset before it is uploaded, by the real process that inspects it."""

import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image
from rich.console import Console

from ldnas.data.reference import DatasetReference
from ldnas.data.survey import survey
from service.client.datasets import packed
from service.client.display.datasets import print_report
from service.client.errors import MissingPackageError
from service.client.inspection import process as process_module
from service.client.inspection.process import InspectionFailedError, inspect
from service.client.inspection.report import ClassReport, Report


def picture(seed: int, size: tuple[int, int] = (16, 16), *, colour: bool = False) -> Image.Image:
    shape = (size[1], size[0], 3) if colour else (size[1], size[0])
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def look(path: Path, **stated: Any) -> Report:
    with packed(path) as file:
        return inspect(file, path.name, stated, lambda seen, total: None)


def shown(report: Report) -> str:
    output = io.StringIO()
    print_report(report, "screws.zip", Console(file=output, width=100))
    return output.getvalue()


@pytest.fixture
def screws(tmp_path: Path) -> Path:
    """A folder with given splits: copies within a split, across splits and across classes, of several sizes."""
    root = tmp_path / "screws"
    for split, first in (("train", 0), ("test", 100)):
        for place, name in enumerate(("bent", "good")):
            (root / split / name).mkdir(parents=True)
            for index in range(10):
                seed = first + 10 * place + index
                picture(seed, colour=name == "good").save(root / split / name / f"{index}.png")
    picture(900, (40, 30)).save(root / "train" / "bent" / "large.png")
    picture(901, (3, 4)).save(root / "train" / "bent" / "small.png")
    picture(0).save(root / "train" / "bent" / "copy.bmp")  # equals 0.png of its class
    picture(1).save(root / "test" / "bent" / "seen.png")  # equals a training image
    picture(2).save(root / "train" / "good" / "wrong.png")  # equals an image of the other class
    return root


def test_a_folder_is_reported_by_classes_splits_sizes_colours_and_copies(screws: Path) -> None:
    (screws / "train" / "bent" / "notes.txt").write_text("no image")
    report = look(screws)
    assert report.kind == "zip"
    assert report.is_accepted
    assert report.images == 45
    counts = {entry.name: (entry.images, entry.test) for entry in report.classes}
    assert counts == {"bent": (24, 11), "good": (21, 10)}
    assert (report.smallest, report.median, report.largest) == ((3, 4), (16, 16), (40, 30))
    assert report.grey == 25
    assert report.copies is not None
    assert (report.copies.groups, report.copies.images) == (3, 6)
    assert (report.copies.across_splits, report.copies.across_classes) == (1, 1)
    first, second, third = report.copies.examples
    assert set(first) == {"train/bent/2.png", "train/good/wrong.png"}
    assert set(second) == {"train/bent/1.png", "test/bent/seen.png"}
    assert set(third) == {"train/bent/0.png", "train/bent/copy.bmp"}
    assert report.left_out == 1
    text = shown(report)
    for words in (
        "screws.zip: 45 images of 2 classes",
        "sizes: 3×4 to 40×30, median 16×16; 25 grey, 20 in colour",
        "copies: 6 images in 3 groups with identical pixels",
        "1 group in several classes: one of the labels is wrong",
        "1 group in several given splits: tasks leave out 1 images",
        "few images",
        "! passed over: 1 file in train/bent, not an image (notes.txt)",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("images", "warnings"),
    [
        (
            {"train/a": 9, "train/b": 9, "test/a": 3},
            ["class 'b' has no test image; every split needs at least one of each class"],
        ),
        ({"a": 12}, ["the task has the single class 'a'; two or more are needed"]),
        (
            {"a": 3},
            [
                "the task has the single class 'a'; two or more are needed",
                "class 'a' has 3 images; 5 or more are needed",
            ],
        ),
        ({"a": 9, "b": 9}, []),
        (
            {"a": 9, "b": 2},
            ["class 'b' has 2 images; 5 or more are needed (a mapping can drop the class or join it with another)"],
        ),
    ],
)
def test_what_a_job_would_refuse_is_warned_of_in_its_words(
    tmp_path: Path, images: dict[str, int], warnings: list[str]
) -> None:
    for place, (folder, number) in enumerate(images.items()):
        (tmp_path / "set" / folder).mkdir(parents=True)
        for index in range(number):
            picture(100 * place + index).save(tmp_path / "set" / folder / f"{index}.png")
    report = look(tmp_path / "set")
    assert (report.is_accepted, report.job_refusals) == (True, tuple(warnings))
    assert shown(report).count("warning: ") == len(warnings)
    joins = "a job on all of these classes is refused for this; --group and --rest can drop or join classes"
    assert (joins in shown(report)) == (bool(warnings) and len(images) > 1)
    adds = "every job on this dataset is refused for this; add the images of at least one other class"
    assert (adds in shown(report)) == (bool(warnings) and len(images) == 1)


def test_the_report_has_the_counts_that_the_service_will_find(screws: Path) -> None:
    report = look(screws)
    with packed(screws) as file:
        found = survey(file, DatasetReference("dataset://x"), "x")
    assert [(c.name, c.train, c.validation, c.test) for c in report.classes] == [
        (c.name, c.train, c.validation, c.test) for c in found.classes
    ]
    assert report.left_out == found.left_out


def test_a_range_of_values_is_reported_with_the_levels_that_it_leaves(tmp_path: Path) -> None:
    values = np.resize(np.arange(900, 1121, dtype=np.uint16), (20, 8, 9))
    np.savez(tmp_path / "a.npz", x=values, y=np.arange(20) % 2)
    text = " ".join(shown(look(tmp_path / "a.npz")).split())
    assert "more than 8 bits: values from 900 to 1120; the value range [0, 2047] becomes black to white" in text
    assert "state a narrower value_range, such as [900, 1120]" in text
    text = " ".join(shown(look(tmp_path / "a.npz", value_range=[900, 1120])).split())
    assert "[900, 1120] becomes black to white, 221 grey levels" in text
    assert "narrower" not in text


def test_images_with_8_bits_that_are_nearly_black_are_reported(tmp_path: Path) -> None:
    values = np.resize(np.arange(4, dtype=np.uint8), (20, 8, 9))
    np.savez(tmp_path / "a.npz", x=values, y=np.arange(20) % 2)
    warned = "! few grey levels are left: the images have 8 bits and 4 grey levels, between 0 and 3 of 255"
    assert warned in " ".join(shown(look(tmp_path / "a.npz")).split())


def test_every_broken_image_is_named_and_the_others_are_counted(screws: Path) -> None:
    whole = (screws / "train" / "bent" / "3.png").read_bytes()
    (screws / "train" / "bent" / "3.png").write_bytes(whole[:60])
    (screws / "test" / "good" / "5.png").write_bytes(b"no picture \x1b[31m")
    picture(1, (1, 7)).save(screws / "test" / "good" / "6.png")
    report = look(screws)
    assert not report.is_accepted
    assert {broken.origin for broken in report.broken} == {
        *("train/bent/3.png", "test/good/5.png", "test/good/6.png"),
    }
    assert report.images == 42
    text = shown(report)
    assert text.count("broken: ") == 3
    assert "test/good/6.png is 1×7 pixels" in text
    assert "\x1b[31m" not in text


def test_an_archive_of_arrays_and_a_table_are_reported_like_a_folder(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (24, 8, 9), dtype=np.uint8)
    labels = np.arange(24) % 2
    images[22] = images[0]
    np.savez(tmp_path / "a.npz", x_train=images[:16], y_train=labels[:16], x_test=images[16:], y_test=labels[16:])
    arrays = look(tmp_path / "a.npz")
    assert (arrays.kind, arrays.images, arrays.smallest, arrays.grey) == ("npz", 24, (9, 8), 24)
    assert arrays.copies is not None
    assert (arrays.copies.across_splits, arrays.left_out) == (1, 1)

    def png(image: np.ndarray) -> bytes:
        content = io.BytesIO()
        Image.fromarray(image).save(content, "PNG")
        return content.getvalue()

    rows = [{"bytes": png(image), "path": None} for image in images[:20]]
    rows[4] = {"bytes": b"nothing", "path": None}
    table = pyarrow.table({"picture": rows, "kind": [str(label) for label in labels[:20]]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    found = look(tmp_path / "a.parquet", image_column="picture", label_column="kind")
    assert (found.kind, found.images, len(found.broken)) == ("parquet", 19, 1)
    assert "row 4" in found.broken[0].origin
    assert look(tmp_path / "a.parquet").refusal is not None, "the usual columns are not there"


def test_weights_are_reported_by_their_numbers(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(24))
    report = look(tmp_path / "w.safetensors")
    assert (report.kind, report.tensors, report.parameters) == ("safetensors", 1, 6)
    assert "1 tensors with 6 parameters" in shown(report)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: path.write_bytes(b"hello"), "has no readable layout"),
        (lambda path: path.write_bytes(b""), "has no readable layout"),
        (lambda path: zipfile.ZipFile(path, "w").writestr("readme.txt", "x"), "has no images as class/image.png"),
    ],
)
def test_a_file_that_is_not_a_dataset_is_refused_as_the_service_would(
    tmp_path: Path, make: Callable[[Path], object], expected: str
) -> None:
    make(tmp_path / "file.zip")
    report = look(tmp_path / "file.zip")
    assert not report.is_accepted
    assert expected in str(report.refusal)
    assert "refused: " in shown(report)


def test_too_few_images_for_three_splits_are_refused_with_their_counts(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "few" / name).mkdir(parents=True)
    picture(0).save(tmp_path / "few" / "a" / "0.png")
    report = look(tmp_path / "few")
    assert "leave" in str(report.refusal)
    assert report.classes == (ClassReport("a", 1, None, None, None),)


def test_many_images_are_counted_while_they_are_looked_at(screws: Path) -> None:
    heard: list[tuple[int, int | None]] = []
    with packed(screws) as file:
        inspect(file, "screws", {}, lambda seen, total: heard.append((seen, total)))
    assert heard
    assert heard == sorted(heard)
    assert heard[0] == (1, None)


def run_instead(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Has another program play the process that looks."""
    real = process_module.subprocess.Popen
    monkeypatch.setattr(
        process_module.subprocess, "Popen", lambda command, **options: real([sys.executable, "-c", code], **options)
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import os; os.abort()", "screws could not be checked: signal 6 ended the process"),
        ("raise RuntimeError('lost')", "RuntimeError: lost"),
        ("", "no reason"),
    ],
)
def test_a_file_that_ends_the_process_is_reported_and_ends_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, expected: str
) -> None:
    run_instead(monkeypatch, code)
    with pytest.raises(InspectionFailedError, match=expected):
        inspect(tmp_path, "screws", {}, lambda seen, total: None)


@pytest.mark.parametrize(("package", "extra"), [("numpy", "predict"), ("pyarrow.parquet", "service")])
def test_an_installation_that_cannot_decode_says_what_brings_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str, extra: str
) -> None:
    run_instead(monkeypatch, f"raise ModuleNotFoundError(\"No module named '{package}'\")")
    with pytest.raises(MissingPackageError, match=rf"pip install 'ldnas\[{extra}\]'"):
        inspect(tmp_path, "screws", {}, lambda seen, total: None)
