"""Layouts of many files that are not read, and the reasons that their refusals name."""

import pytest

from ldnas.errors import UnreadableDatasetError
from tests.ldnas.data.ways import Files, images, ways

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
    "webdataset": (
        {**images("0001.png"), "0001.cls": b"3"},
        "a WebDataset, which is not read; write a folder for each class",
    ),
    "a table of another name": (
        {**images("images/1.png", "images/2.png"), "train.csv": b"image_id,label\n1,a\n2,b\n"},
        r"a table of another name, which is not read; call it metadata\.csv",
    ),
    "a table of another suffix": (
        {**images("1.png"), "metadata.tsv": b"x"},
        r"as \.tsv, which is not read; call it metadata\.csv",
    ),
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
