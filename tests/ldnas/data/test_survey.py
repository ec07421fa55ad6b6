"""The survey of a file reports the images that a job will read from it."""

import io
import os
import tracemalloc
import weakref
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ldnas.data import decoding
from ldnas.data import samples as samples_module
from ldnas.data import survey as module
from ldnas.data.dataset import Split
from ldnas.data.load import load_dataset
from ldnas.data.readers.files import read_file
from ldnas.data.readers.records import Record
from ldnas.data.reference import DatasetReference
from ldnas.data.samples import SAMPLES_IN_ALL, read_samples
from ldnas.data.survey import survey
from ldnas.errors import BrokenImageError, UnreadableDatasetError


@pytest.fixture
def many(tmp_path, write_parquet, grey):
    """Five images of each of sixty classes, some of them twice."""
    images = [grey(number % 290, 120, 60) for number in range(300)]
    return write_parquet(tmp_path / "many.parquet", images, [number % 60 for number in range(300)])


def test_it_finds_what_loading_finds(many, tmp_path):
    reference = DatasetReference(many.as_uri())
    found = survey(many, reference, "many")
    dataset = load_dataset(reference, roots=[tmp_path], cache=tmp_path)
    assert found.digest == dataset.digest
    assert (len(found.drawn.kept), found.left_out) == (len(dataset), dataset.left_out)
    for split in Split:
        labels = dataset.labels[dataset.indices(split)]
        counted = [getattr(count, split) for count in found.classes]
        assert counted == np.bincount(labels, minlength=60).tolist()


def test_samples_are_small_and_few_and_of_the_training_images(many, tmp_path):
    reference = DatasetReference(many.as_uri())
    samples = read_samples(many, reference, "many", survey(many, reference, "many"))
    dataset = load_dataset(reference, roots=[tmp_path], cache=tmp_path)
    trained = {dataset.origins[place].removeprefix("many.parquet") for place in dataset.indices(Split.TRAIN)}
    assert {sample.origin.removeprefix("many") for sample in samples} <= trained
    assert 60 <= len(samples) <= SAMPLES_IN_ALL
    assert [sample.class_name for sample in samples] == sorted((sample.class_name for sample in samples), key=int)
    for sample in samples:
        assert (sample.width, sample.height) == (60, 120)
        assert Image.open(io.BytesIO(sample.png)).size == (48, 96)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_sizes_are_those_of_the_files_also_where_images_are_decoded_at_half_of_their_sides(
    tmp_path, monkeypatch, kind
):
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1000)
    turned = Image.Exif()
    turned[0x0112] = 6  # by 90 degrees
    for label in "ab":
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(4):
            image = Image.new("L", (60, 40), 16 * number + (label == "b"))
            image.save(tmp_path / "set" / label / f"{number}.{kind.lower()}", kind, exif=turned)
    reference = DatasetReference((tmp_path / "set").as_uri())
    found = survey(tmp_path / "set", reference, "set")
    assert set(found.shapes) == {(60, 40, 1)}
    samples = read_samples(tmp_path / "set", reference, "set", found)
    assert {(sample.width, sample.height) for sample in samples} == {(40, 60)}
    assert {Image.open(io.BytesIO(sample.png)).size for sample in samples} == {(20, 30)}


def test_no_image_is_kept_while_the_others_are_looked_at(many, monkeypatch):
    decoded = []

    def watched(*args, **options):
        for record in read_file(*args, **options):

            def decode(record=record):
                picture = record.decode()
                decoded.append(weakref.ref(picture.pixels))
                assert sum(kept() is not None for kept in decoded) <= 3
                return picture

            yield Record(record.entry, decode)

    monkeypatch.setattr(module, "read_file", watched)
    monkeypatch.setattr(samples_module, "read_file", watched)
    reference = DatasetReference(many.as_uri())
    read_samples(many, reference, "many", survey(many, reference, "many"))
    assert len(decoded) > 300  # every image, and some once more to be shown
    assert not any(kept() is not None for kept in decoded)


def test_images_that_are_small_files_and_many_pixels_are_refused(tmp_path, encode, monkeypatch):
    monkeypatch.setattr(module, "MAX_DECODED_BYTES", 250_000)
    blank = encode(np.zeros((300, 300, 1), np.uint8))
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}/blank.png", blank)
    assert (tmp_path / "set.zip").stat().st_size < 3000
    with pytest.raises(UnreadableDatasetError, match="more than 250000 bytes as pixels"):
        survey(tmp_path / "set.zip", DatasetReference("dataset://set"), "set")


def test_a_survey_can_continue_after_broken_images_and_names_the_classes_that_have_no_others(tmp_path, encode, grey):
    cells = [*(encode(grey(number)) for number in range(20)), b"no image", None]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": cells, "label": ["a", "b"] * 10 + ["b", "c"]}), path)
    reference, seen = DatasetReference("dataset://a"), []
    found = survey(path, reference, "a", collect_broken=True, on_image=seen.append)
    assert [image.origin for image in found.broken] == ["a row 20", "a row 21"]
    assert found.broken[0].reason.startswith("a row 20 cannot be decoded as an image")
    assert found.broken[1].reason == "a row 21 holds no image bytes, and no path of an image file"
    assert (len(found.shapes), seen) == (20, list(range(1, 23)))
    assert [(count.name, count.train + count.validation + count.test) for count in found.classes] == [
        ("a", 10),
        ("b", 10),
        ("c", 0),
    ]
    with pytest.raises(BrokenImageError, match="row 20"):
        survey(path, reference, "a")


def test_files_of_several_frames_are_named_by_a_survey_and_by_loading(tmp_path):
    frames = [Image.new("L", (4, 4), value) for value in range(0, 250, 10)]
    for number, frame in enumerate(frames[:20]):
        folder = tmp_path / "set" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        more = [Image.new("L", (4, 4), 255)] if number < 2 else []
        frame.save(folder / f"{number}.tif", save_all=True, append_images=more)
    reference = DatasetReference((tmp_path / "set").as_uri())
    expected = ("passed over: all frames or pages but the first of 2 images (a/0.tif, …)",)
    assert survey(tmp_path / "set", reference, "set").warnings == expected
    assert load_dataset(reference, roots=[tmp_path], cache=tmp_path).warnings == expected


def test_the_bytes_of_broken_images_are_not_held(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for number in range(40):
            archive.writestr(f"{number % 2}/{number}.png", np.random.default_rng(number).bytes(200_000))
    tracemalloc.start()
    found = survey(tmp_path / "set.zip", DatasetReference("dataset://set"), "set", collect_broken=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.broken) == 40
    assert peak < 2_000_000  # of 8,000,000 in the archive


@pytest.mark.parametrize("layout", ["zip", "npz", "parquet"])
def test_a_survey_that_stops_leaves_no_file_open(tmp_path, encode, write_parquet, monkeypatch, layout):
    monkeypatch.setattr(module, "MAX_DECODED_BYTES", 1)
    images, path = np.zeros((4, 8, 8), np.uint8), tmp_path / f"set.{layout}"
    if layout == "npz":
        labels = np.arange(4)
        np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)
    elif layout == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(4):
                archive.writestr(f"{number}/a.png", encode(images[number][..., None]))
    else:
        write_parquet(path, list(images[..., None]), range(4))
    with pytest.raises(UnreadableDatasetError, match="bytes as pixels") as stopped:
        survey(path, DatasetReference("dataset://set"), "set")
    assert path not in {Path(os.path.realpath(place)) for place in Path("/proc/self/fd").iterdir()}
    assert stopped.tb is not None, "the frames of the survey still exist"
