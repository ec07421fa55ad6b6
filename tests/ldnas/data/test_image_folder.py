from pathlib import Path

import numpy as np
import pytest

from ldnas.data.dataset import Split
from ldnas.errors import BrokenImageError, ForbiddenLocationError, UnreadableDatasetError
from tests.ldnas.data.reading import read


@pytest.fixture
def write(tmp_path, encode, grey):
    def write(name: str, number: int) -> Path:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(grey(number)))
        return path

    return write


def test_folders_are_classes_in_sorted_order(tmp_path, write, grey):
    write("dog/b.png", 2)
    write("cat/deep/c.PNG", 3)
    write("dog/a.png", 1)
    raw = read(tmp_path / "set")
    assert raw.class_names == ("cat", "dog")
    assert raw.origins == ["cat/deep/c.PNG", "dog/a.png", "dog/b.png"]
    assert raw.labels == [0, 1, 1]
    assert raw.given_splits == [None, None, None]
    np.testing.assert_array_equal(raw.images[0], grey(3))


@pytest.mark.parametrize("validation", ["val", "validation", "Valid"])
def test_folders_of_splits_are_recognised_above_the_classes(tmp_path, write, validation):
    write("train/cat/a.png", 1)
    write(f"{validation}/dog/b.png", 2)
    write("test/cat/c.png", 3)
    raw = read(tmp_path / "set")
    assert raw.class_names == ("cat", "dog")
    by_origin = dict(zip(raw.origins, zip(raw.given_splits, raw.labels, strict=True), strict=True))
    assert by_origin == {
        "train/cat/a.png": (Split.TRAIN, 0),
        f"{validation}/dog/b.png": (Split.VALIDATION, 1),
        "test/cat/c.png": (Split.TEST, 0),
    }


def test_a_class_called_train_among_other_classes_is_a_class(tmp_path, write):
    write("train/a.png", 1)
    write("plane/b.png", 2)
    raw = read(tmp_path / "set")
    assert raw.class_names == ("plane", "train")


def test_hidden_files_and_files_that_are_not_images_are_passed_over(tmp_path, write):
    write("cat/a.png", 1)
    write("cat/.hidden.png", 2)
    write("__MACOSX/b.png", 3)
    write(".git/c.png", 4)
    write("cat/Thumbs.db", 5)
    assert read(tmp_path / "set").origins == ["cat/a.png"]


def test_a_broken_image_is_named_by_its_path_in_the_folder(tmp_path, write):
    write("cat/a.png", 1)
    write("cat/b.png", 2).write_bytes(b"broken")
    with pytest.raises(BrokenImageError) as refusal:
        read(tmp_path / "set")
    assert refusal.value.origin == "cat/b.png"


def test_a_folder_without_class_folders_is_refused_with_the_layout(tmp_path, write):
    write("a.png", 1)
    with pytest.raises(UnreadableDatasetError, match=r"class/image\.png"):
        read(tmp_path / "set")


def test_links_are_followed_within_the_roots_only(tmp_path, write):
    target = write("cat/a.png", 1)
    (tmp_path / "set" / "cat" / "b.png").symlink_to(target)
    assert len(read(tmp_path / "set", tmp_path / "set").images) == 2
    target.rename(tmp_path / "outside.png")
    (tmp_path / "set" / "cat" / "b.png").unlink()
    target.symlink_to(tmp_path / "outside.png")
    with pytest.raises(ForbiddenLocationError):
        read(tmp_path / "set", tmp_path / "set")
