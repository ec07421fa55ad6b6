"""Every layout of many files: in a folder, in a ZIP file, in a TAR file, and in a folder that the client packs."""

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ldnas.data.dataset import Split
from ldnas.errors import BrokenImageError, ForbiddenLocationError, InvalidReferenceError, UnreadableDatasetError
from service.client.datasets import packed
from tests.ldnas.data.reading import Decoded, read

TRAIN, VALIDATION, TEST = Split.TRAIN, Split.VALIDATION, Split.TEST
Files = Mapping[str, bytes | None]
"""Contents by path; None is an image that no other path has, and a path that ends in / an empty folder."""


@pytest.fixture
def write(tmp_path, encode, grey) -> Callable[[Files], Path]:
    """Write files into the folder `set`."""

    def make(files: Files) -> Path:
        for number, (name, content) in enumerate(files.items()):
            path = tmp_path / "set" / name
            if name.endswith("/"):
                path.mkdir(parents=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(grey(number)) if content is None else content)
        return tmp_path / "set"

    return make


def as_folder(folder: Path) -> Decoded:
    return read(folder)


def as_zip(folder: Path) -> Decoded:
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for path in sorted(folder.rglob("*"), reverse=True):
            archive.write(path, path.relative_to(folder))
    return read(folder.with_suffix(".zip"), name="upload")


def as_tar(folder: Path) -> Decoded:
    with tarfile.open(folder.with_suffix(".tar"), "w") as archive:
        archive.add(folder, arcname="")
    return read(folder.with_suffix(".tar"), name="upload")


def as_tar_gz(folder: Path) -> Decoded:
    with tarfile.open(folder.with_suffix(".tgz"), "w:gz") as archive:
        archive.add(folder, arcname=".")
    return read(folder.with_suffix(".tgz"), name="upload")


def as_packed(folder: Path) -> Decoded:
    with packed(folder) as file:
        return read(file, name="upload")


WAYS = (as_folder, as_zip, as_tar, as_tar_gz, as_packed)
ways = pytest.mark.parametrize("way", WAYS)


def images(*names: str, **more: bytes) -> Files:
    return dict.fromkeys(names) | more


SPLITS = {"train/cat/a.png": ("cat", TRAIN), "test/dog/b.png": ("dog", TEST)}
CLASSES = {"bent/1.png": ("bent", None), "good/2.png": ("good", None)}

LAYOUTS: dict[str, tuple[Files, dict[str, tuple[str, Split | None]], list[str]]] = {
    "annotations next to splits": (
        {**images("train/cat/a.png", "test/dog/b.png"), "annotations/boxes.txt": b"x", "annotations/labels.csv": b"x"},
        SPLITS,
        ["passed over: 2 files in annotations, not images (boxes.txt, …)"],
    ),
    "unlabelled images next to splits": (
        images("train/cat/a.png", "test/dog/b.png", "unlabeled/c.png", "unlabeled/d.png"),
        SPLITS,
        ["passed over: 2 images in unlabeled, without labels (c.png, …)"],
    ),
    "test images without classes": (
        images("train/cat/a.png", "train/dog/b.png", "test/1.png"),
        {"train/cat/a.png": ("cat", TRAIN), "train/dog/b.png": ("dog", TRAIN)},
        ["passed over: 1 image in test, without a label (1.png)"],
    ),
    "splits in splits, with predictions": (
        images("seg_train/seg_train/cat/a.png", "seg_test/seg_test/dog/b.png", "seg_pred/seg_pred/1.png"),
        {"seg_train/seg_train/cat/a.png": ("cat", TRAIN), "seg_test/seg_test/dog/b.png": ("dog", TEST)},
        ["passed over: 1 image in seg_pred/seg_pred, without a label (1.png)"],
    ),
    "wrappers": (images("home/me/bent/1.png", "home/me/good/2.png"), CLASSES, []),
    "wrappers of splits": (images("archive/data/train/cat/a.png", "archive/data/test/dog/b.png"), SPLITS, []),
    "wrappers next to other files": (
        {**images("home/me/bent/1.png", "home/me/good/2.png", "cover.png"), "docs/README.md": b"x"},
        CLASSES,
        [
            "passed over: 1 image in the folder itself, outside the class folders (cover.png)",
            "passed over: 1 file in docs, not an image (README.md)",
        ],
    ),
    "an empty class": (
        {**images("bent/1.png", "good/2.png"), "none/": None, "text/a.txt": b"x"},
        CLASSES,
        [
            "passed over: the folder none has no image, and makes no class",
            "passed over: the folder text has no image, and makes no class",
            "passed over: 1 file in text, not an image (a.txt)",
        ],
    ),
    "a class called background": (
        images("__background__/0.png", "good/2.png"),
        {"__background__/0.png": ("__background__", None), "good/2.png": ("good", None)},
        [],
    ),
    "hidden folders at every depth": (
        images(
            *("bent/1.png", "good/2.png", ".git/c.png", "good/.ipynb_checkpoints/2-checkpoint.png"),
            *("good/@eaDir/2.png", "__MACOSX/good/._2.png", "bent/.thumbnails/1.png", "bent/Thumbs.db"),
        ),
        CLASSES,
        ["skipped: hidden files and those of the system, .git, .ipynb_checkpoints, .thumbnails, @eaDir, Thumbs.db, …"],
    ),
    "names in decomposed letters": (
        images("caf\N{LATIN SMALL LETTER E WITH ACUTE}/1.png", "cafe\N{COMBINING ACUTE ACCENT}/2.png", "tea/3.png"),
        {
            "cafe\N{COMBINING ACUTE ACCENT}/2.png": ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", None),
            "caf\N{LATIN SMALL LETTER E WITH ACUTE}/1.png": ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", None),
            "tea/3.png": ("tea", None),
        },
        [],
    ),
    "names that look alike": (
        images("Cat/1.png", "cat /2.png", "dog/3.png"),
        {"Cat/1.png": ("Cat", None), "cat /2.png": ("cat ", None), "dog/3.png": ("dog", None)},
        ["doubtful: the classes 'Cat', 'cat ' differ only by case or spaces"],
    ),
    "a single class": (
        images("cat/1.png"),
        {"cat/1.png": ("cat", None)},
        [],
    ),
    "copies of one set": (
        images("large/cat/1.png", "large/dog/2.png", "small/cat/3.png", "small/dog/4.png"),
        {
            **{f"large/{name}.png": ("large", None) for name in ("cat/1", "dog/2")},
            **{f"small/{name}.png": ("small", None) for name in ("cat/3", "dog/4")},
        },
        [
            "doubtful: the folders large, small are the classes, and each has the folders cat, dog; if those are the "
            "classes, add one of the outer folders alone"
        ],
    ),
    "an archive among the images": (
        {**images("bent/1.png", "good/2.png"), "good.zip": b"PK\x05\x06"},
        CLASSES,
        ["passed over: 1 file in the folder itself, an archive, which is not unpacked (good.zip)"],
    ),
    "signs in names": (
        images("bent/12:30 100%.png", "good/2.png"),
        {"bent/12:30 100%.png": ("bent", None), "good/2.png": ("good", None)},
        [],
    ),
    "a table of a flat folder": (
        {**images("1.png", "2.png", "3.png"), "metadata.csv": b"file_name,label\n2.png,b\n1.png,a\n"},
        {"1.png": ("a", None), "2.png": ("b", None)},
        ["passed over: 1 image in the folder itself, which no row names (3.png)"],
    ),
    "a table with semicolons, a byte order mark, names without suffix and numbers": (
        {
            **images("images/1.png", "images/2.png", "images/3.png"),
            "labels.csv": b"\xef\xbb\xbfId;Breed;Split\r\n1;10;train\r\n2;9;test\r\n3;10;val\r\n",
        },
        {"images/1.png": ("10", TRAIN), "images/2.png": ("9", TEST), "images/3.png": ("10", VALIDATION)},
        [],
    ),
    "a table in each split": (
        {
            **images("train/1.png", "train/2.png", "test/3.png"),
            "train/metadata.csv": b"file_name,label\n1.png,1\n2.png,2\n",
            "test/metadata.csv": b"file_name,label\n3.png,x\n",
        },
        {"train/1.png": ("1", TRAIN), "train/2.png": ("2", TRAIN), "test/3.png": ("x", TEST)},
        [],
    ),
    "a table over splits": (
        {
            **images("train/1.png", "train/2.png", "test/3.png"),
            "labels.csv": b"filename,class\ntrain/1.png,007\n2,8\ntest\\3.png,8\n",
        },
        {"train/1.png": ("007", TRAIN), "train/2.png": ("8", TRAIN), "test/3.png": ("8", TEST)},
        [],
    ),
    "a table that contradicts the folders": (
        {**images("0/1.png", "1/2.png"), "metadata.csv": b"file_name,label\n0/1.png,a\n1/2.png,b\n"},
        {"0/1.png": ("a", None), "1/2.png": ("b", None)},
        ["the labels are those of metadata.csv, not the folders' names"],
    ),
    "a table of something else": (
        {**images("bent/1.png", "good/2.png"), "labels.csv": b"name,price\nbent,3\n"},
        CLASSES,
        [
            "passed over: the folders name the classes, as labels.csv does not say which column has the file names; "
            "call it file_name, or name one of name, price as image_column",
            "passed over: 1 file in the folder itself, not an image (labels.csv)",
        ],
    ),
}


@ways
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_read_alike_from_everywhere(write, layout, way):
    files, places, warnings = LAYOUTS[layout]
    found = way(write(files))
    assert found.places == places
    if way is as_packed:
        # The client itself skips hidden files, and says so.
        warnings = [warning for warning in warnings if not warning.startswith("skipped: ")]
    assert list(found.warnings) == warnings


REFUSALS: dict[str, tuple[Files, str]] = {
    "an odd folder": (images("train/cat/a.png", "test/cat/b.png", "extra/c.png"), "train are splits, but extra is not"),
    "an odd folder next to one split": (images("train/cat/a.png", "extra/cat/b.png"), "train is a split, but extra is"),
    "flat splits and a class": (images("train/a.png", "test/b.png", "plane/c.png"), "are splits, but plane is not"),
    "no training split": (
        images("test/cat/a.png", "val/cat/b.png"),
        "test, val are splits, but none is called train",
    ),
    "a test split alone": (
        images("set/test/cat/a.png", "set/test/dog/b.png"),
        "set/test is a split, but none",
    ),
    "flat splits": (images("train/a.png", "test/b.png"), "train is the training split, but has its images in no class"),
    "splits in classes": (
        images("cat/train/a.png", "cat/test/b.png", "dog/train/c.png", "dog/test/d.png"),
        "the class cat has the splits cat/test, cat/train in it",
    ),
    "flat images": (images("a.png"), "has no images as class/image.png.*passed over: 1 image in the folder itself"),
    "only other formats": (
        {"b/1.heic": b"\0\0\0\x18ftypheic", "b/2.svg": b"<svg/>"},
        r"passed over: 2 files in b, images in formats that are not read \(1\.heic",
    ),
    "yolo": (
        {**images("train/images/a.png"), "train/labels/a.txt": b"0", "data.yaml": b"x"},
        r"looks like a YOLO set \(data\.yaml\), which is not read",
    ),
    "voc": ({**images("JPEGImages/a.png"), "Annotations/a.xml": b"<x/>"}, r"XML \(Pascal VOC\), which is not read"),
    "a table without labels": (
        {**images("1.png"), "metadata.csv": b"file_name,text\n1.png,x\n"},
        "metadata.csv does not say which column has the labels; call it label",
    ),
    "a row without image": (
        {**images("1.png"), "metadata.csv": b"file_name,label\n1.png,a\n9.png,b\n"},
        "metadata.csv row 3 names '9.png', but no such image exists",
    ),
    "a row without label": (
        {**images("1.png"), "metadata.csv": b"file_name,label\n1.png,\n"},
        "row 2 has nothing in its column 'label'",
    ),
    "two rows of one image": (
        {**images("1.png"), "metadata.csv": b"file_name,label\n1.png,a\n./1.png,b\n"},
        r"row 3 names '1\.png', which a row above it names too",
    ),
    "a name that two images have": (
        {**images("x/1.png", "y/1.png"), "metadata.csv": b"file_name,label,split\nx/1.png,a,train\n1.png,b,test\n"},
        "row 3 names '1.png', which several images are called",
    ),
    "another split": (
        {**images("1.png"), "metadata.csv": b"file_name,label,split\n1.png,a,fold1\n"},
        "row 2 has the split 'fold1'; train, validation and test are read",
    ),
    "no text": ({**images("1.png"), "metadata.csv": b"file_name,label\n1.png,\xe4\n"}, "metadata.csv is not UTF-8"),
    "no rows": ({**images("1.png"), "metadata.csv": b"file_name,label\n"}, "metadata.csv has no rows"),
}


@ways
@pytest.mark.parametrize("case", REFUSALS)
def test_what_stays_out_is_refused_alike_with_its_reason(write, case, way):
    files, reason = REFUSALS[case]
    folder = write(files)
    if case == "a name that two images have":  # folders that could be classes make the table optional
        (folder / "0.png").write_bytes((folder / "x/1.png").read_bytes())
    with pytest.raises(UnreadableDatasetError, match=reason):
        way(folder)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("1.jfif", "JPEG"),
        ("1", "PNG"),
        ("1.txt", "GIF"),
        ("1.avif", "AVIF"),
        ("1.dat", "BMP"),
        ("1.x", "TIFF"),
        ("1.y", "PPM"),
    ],
)
def test_the_content_decides_what_an_image_is(write, name, kind):
    content = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(content, kind)
    found = read(write({"a/0.png": None, f"b/{name}": content.getvalue()}))
    assert found.places[f"b/{name}"] == ("b", None)
    assert found.warnings == ()


def test_a_text_with_the_suffix_of_an_image_is_refused_by_name(write):
    with pytest.raises(BrokenImageError, match=r"a/0\.png cannot be decoded"):
        read(write({"a/0.png": b"<html>", "b/1.png": None}))


def test_a_link_within_the_roots_is_followed_and_packed(write, tmp_path):
    folder = write(images("a/1.png", "c/2.png"))
    (tmp_path / "elsewhere").mkdir()
    (folder / "a" / "1.png").rename(tmp_path / "elsewhere" / "3.png")
    write(images("a/1.png"))
    (folder / "b").symlink_to(tmp_path / "elsewhere")
    (folder / "c" / "again").symlink_to(folder)
    (folder / "c" / "lost.png").symlink_to(folder / "nothing.png")
    expected = {name: (name[0], None) for name in ("a/1.png", "b/3.png", "c/2.png")}
    found = as_folder(folder)
    assert found.places == expected
    assert found.warnings == (
        "passed over: 1 link in c, which leads to nothing (lost.png)",
        "passed over: 1 link in c, which leads back to a folder above it (again)",
    )
    assert as_packed(folder).places == expected
    with pytest.raises(ForbiddenLocationError):
        read(folder, folder)


def test_links_in_a_tar_file_are_followed_and_those_out_of_it_refused(write, tmp_path):
    folder = write(images("a/1.png", "b/2.png"))
    (folder / "b" / "3.png").symlink_to("../a/1.png")
    (folder / "c").symlink_to("a")
    assert as_tar_gz(folder).places == {
        "a/1.png": ("a", None),
        "b/2.png": ("b", None),
        "b/3.png": ("b", None),
        "c/1.png": ("c", None),
    }
    (folder / "b" / "4.png").symlink_to("/etc/passwd")
    with pytest.raises(UnreadableDatasetError, match=r"upload: .*absolute path"):
        as_tar(folder)


def test_links_that_stand_for_any_number_of_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ldnas.data.readers.folder_walk.MAX_FILES", 100)
    for depth in range(10):
        (tmp_path / "set" / str(depth)).mkdir(parents=True)
        for name in "ab":
            (tmp_path / "set" / str(depth) / name).symlink_to(tmp_path / "set" / str(depth + 1))
    with pytest.raises(UnreadableDatasetError, match="more than 100 files and folders"):
        read(tmp_path / "set")


def test_a_tar_file_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("ldnas.data.readers.tar_tree.RATIO_COUNTS_FROM_BYTES", 2**20)
    with tarfile.open(tmp_path / "bomb.tgz", "w:gz") as archive:
        member = tarfile.TarInfo("a/1.png")
        member.size = 2**21
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    with pytest.raises(UnreadableDatasetError, match="unpacks to more than"):
        read(tmp_path / "bomb.tgz")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x1f\x8b\x08 and then nothing", "cannot be read as a TAR file"),
        (bytes(257) + b"ustar\x0000" + bytes(248), "cannot be read as a TAR file"),
        (b"7z\xbc\xaf\x27\x1c", "is a 7z archive"),
        (b"\x89PNG\r\n\x1a\n", "is a single image"),
    ],
)
def test_a_file_that_is_no_archive_is_refused_as_what_it_is(tmp_path, content, reason):
    (tmp_path / "set.bin").write_bytes(content)
    with pytest.raises(UnreadableDatasetError, match=reason):
        read(tmp_path / "set.bin")


def unflagged(folder: Path, *names: bytes) -> Path:
    """A ZIP file with these names and no sign of their encoding."""
    path = folder / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr("?" * (len(name) - 1) + str(number), (folder / "image.png").read_bytes())
    content = path.read_bytes()
    for number, name in enumerate(names):
        content = content.replace(b"?" * (len(name) - 1) + str(number).encode(), name)
    path.write_bytes(content)
    return path


def test_names_in_an_archive_that_names_no_encoding_are_utf_8_or_refused(tmp_path, encode, grey):
    (tmp_path / "image.png").write_bytes(encode(grey(1)))
    found = read(unflagged(tmp_path, "ä/1.png".encode(), b"b/\xe4.png"))
    assert found.places == {"b/%E4.png": ("b", None), "ä/1.png": ("ä", None)}
    with pytest.raises(UnreadableDatasetError, match="the folder %E4 names a class, but its name is not UTF-8"):
        read(unflagged(tmp_path, b"\xe4/1.png", b"bb/2.png"))


def test_columns_are_those_of_the_table_or_refused(write):
    table = b"picture,kind,label,person,part\n1.png,a,x,p,test\n2.png,b,x,p,train\n"
    folder = write({**images("1.png", "2.png"), "labels.csv": table})
    columns = {"image_column": "picture", "label_column": "kind", "split_column": "part", "group_column": "person"}
    found = read(folder, **columns)
    assert found.places == {"1.png": ("a", TEST), "2.png": ("b", TRAIN)}
    assert found.groups == ["p", "p"]
    with pytest.raises(InvalidReferenceError, match=r"labels\.csv has no column 'colour'; it has picture, kind"):
        read(folder, label_column="colour")
    (folder / "labels.csv").unlink()
    write(images("a/3.png"))
    with pytest.raises(InvalidReferenceError, match="has no columns"):
        read(folder, label_column="kind")


@ways
def test_parquet_files_with_the_paths_of_images_are_read_alike(write, tmp_path, way, grey):
    folder = write({**images("data/images/1.png", "data/images/2.png", "more/3.png"), "README.md": b"x"})
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for number, name in enumerate(("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001")):
        path = "more/3.png" if name.startswith("test") else f"images/{number + 1}.png"
        cells = pa.array([{"bytes": None, "path": path}], kind)
        pq.write_table(pa.table({"image": cells, "label": [number % 2]}), folder / "data" / f"{name}.parquet")
    (folder / "data" / "images" / "4.png").write_bytes(b"x")
    found = way(folder)
    assert found.places == {
        "data/test-00000-of-00001.parquet row 0": ("0", TEST),
        "data/train-00000-of-00002.parquet row 0": ("0", TRAIN),
        "data/train-00001-of-00002.parquet row 0": ("1", TRAIN),
    }
    np.testing.assert_array_equal(found.images, [grey(2), grey(0), grey(1)])
    assert found.warnings == (
        "passed over: 1 file in the folder itself, not an image (README.md)",
        "passed over: 1 image in data/images, which no row names (4.png)",
    )
