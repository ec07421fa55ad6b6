"""The survey of a file reports the images that a job will read from it."""

import io
import weakref
import zipfile

import numpy as np
import pytest
from PIL import Image

from ldnas.data import survey as module
from ldnas.data.dataset import Split
from ldnas.data.load import load_dataset
from ldnas.data.reference import DatasetReference
from ldnas.data.survey import SAMPLES_IN_ALL, survey
from ldnas.errors import UnreadableDatasetError


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
    assert (found.images, found.left_out) == (len(dataset), dataset.left_out)
    for split in Split:
        labels = dataset.labels[dataset.indices(split)]
        counted = [getattr(count, split) for count in found.classes]
        assert counted == np.bincount(labels, minlength=60).tolist()


def test_samples_are_small_and_few_and_of_the_training_images(many, tmp_path):
    reference = DatasetReference(many.as_uri())
    found = survey(many, reference, "many")
    dataset = load_dataset(reference, roots=[tmp_path], cache=tmp_path)
    trained = {dataset.origins[place].removeprefix("many.parquet") for place in dataset.indices(Split.TRAIN)}
    assert {sample.origin.removeprefix("many") for sample in found.samples} <= trained
    assert 60 <= len(found.samples) <= SAMPLES_IN_ALL
    assert [sample.class_name for sample in found.samples] == sorted(
        (sample.class_name for sample in found.samples), key=int
    )
    for sample in found.samples:
        assert (sample.width, sample.height) == (60, 120)
        assert Image.open(io.BytesIO(sample.png)).size == (48, 96)


def test_no_image_is_kept_while_the_others_are_looked_at(many, monkeypatch):
    decoded = []
    read = module.read_file

    def watched(*args, take, **options):
        def count(decode):
            def made():
                image = decode()
                decoded.append(weakref.ref(image))
                assert sum(kept() is not None for kept in decoded) <= 3
                return image

            return take(made)

        return read(*args, take=count, **options)

    monkeypatch.setattr(module, "read_file", watched)
    survey(many, DatasetReference(many.as_uri()), "many")
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
