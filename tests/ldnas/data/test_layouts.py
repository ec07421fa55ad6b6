"""Every layout of many files that is read, in every way in which they become a dataset."""

import io

import pytest
from PIL import Image

from ldnas.data.dataset import Split
from ldnas.errors import BrokenImageError, InvalidReferenceError
from tests.ldnas.data.reading import read
from tests.ldnas.data.ways import Files, as_folder, as_packed, images, ways

TRAIN, VALIDATION, TEST = Split.TRAIN, Split.VALIDATION, Split.TEST


SPLITS = {"train/cat/a.png": ("cat", TRAIN), "test/dog/b.png": ("dog", TEST)}
CLASSES = {"bent/1.png": ("bent", None), "good/2.png": ("good", None)}

LAYOUTS: dict[str, tuple[Files, dict[str, tuple[str, Split | None]], list[str]]] = {
    "annotations next to splits": (
        {**images("train/cat/a.png", "test/dog/b.png"), "annotations/boxes.txt": b"x", "annotations/labels.csv": b"x"},
        SPLITS,
        ["passed over: 2 files in annotations, not images (boxes.txt, …)"],
    ),
    "a holdout": (
        images("train/cat/a.png", "holdout/dog/b.png"),
        {"train/cat/a.png": ("cat", TRAIN), "holdout/dog/b.png": ("dog", TEST)},
        [],
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
    "folders of thumbnails": (
        images("bent/1.png", "good/2.png", "thumbnails/1.png", "bent/_thumbs/1.png", "good/deeper/Thumbs/2.png"),
        CLASSES,
        ["skipped: hidden files and those of the system, Thumbs, _thumbs, thumbnails"],
    ),
    "numbered splits": (
        images("01_train/cat/a.png", "02_test/dog/b.png"),
        {"01_train/cat/a.png": ("cat", TRAIN), "02_test/dog/b.png": ("dog", TEST)},
        [],
    ),
    "classes called after tests": (
        images("test 1/a.png", "test 2/b.png"),
        {"test 1/a.png": ("test 1", None), "test 2/b.png": ("test 2", None)},
        [],
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


def test_names_that_an_archive_cannot_have_come_in_the_order_of_those_that_it_gets(write):
    """Their digest is then that of the upload. A backslash comes after digits, and `%5C` in its place before them."""
    folder = write(images("a/\\.png", "a/1.png", "b/\udce4.png", "b/1.png"))
    found = [as_folder(folder), as_packed(folder)]
    assert [one.origins for one in found] == [["a/%5C.png", "a/1.png", "b/%E4.png", "b/1.png"]] * 2


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
