import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ldnas.data.dataset import Split
from ldnas.data.readers.parquet_footer import rows_at_once
from ldnas.errors import (
    BrokenImageError,
    ForbiddenLocationError,
    InvalidReferenceError,
    UnreadableDatasetError,
)
from tests.ldnas.data.reading import read
from tests.ldnas.data.ways import images, ways


def test_images_labels_and_names_are_read_row_by_row(tmp_path, write_parquet, grey):
    images = [grey(1), grey(2, height=5), grey(3)]
    path = write_parquet(tmp_path / "a.parquet", images, [2, 0, 2], names=["ant", "bee", "cat"])
    raw = read(path)
    for pixels, image in zip(raw.images, images, strict=True):
        np.testing.assert_array_equal(pixels, image)
    assert raw.labels == [2, 0, 2]
    assert raw.class_names == ("ant", "bee", "cat")
    assert raw.origins == ["a.parquet row 0", "a.parquet row 1", "a.parquet row 2"]
    assert raw.given_splits == [None] * 3


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["train.parquet", "test.parquet"], {"train": Split.TRAIN, "test": Split.TEST}),
        (
            ["data/train-00000-of-00001.parquet", "data/validation-00000-of-00001.parquet"],
            {"train": Split.TRAIN, "validation": Split.VALIDATION},
        ),
        (["my/train/0000.parquet", "my/test/0000.parquet"], {"train": Split.TRAIN, "test": Split.TEST}),
        (["split=train/0.parquet", "split=test/0.parquet"], {"train": Split.TRAIN, "test": Split.TEST}),
        (["mnist_train.parquet", "mnist_test.parquet"], {"train": Split.TRAIN, "test": Split.TEST}),
        (["one.parquet", "two.parquet"], {"one": None, "two": None}),
    ],
)
def test_the_split_is_recognised_from_file_and_folder_names(tmp_path, write_parquet, grey, files, expected):
    for number, file in enumerate(files):
        write_parquet(tmp_path / file, [grey(number)], [0])
    raw = read(tmp_path)
    for origin, split in zip(raw.origins, raw.given_splits, strict=True):
        assert split is next(value for key, value in expected.items() if key in origin)


@pytest.mark.parametrize("names", [["crane", "heron", "crane"], ["caf\u00e9", "tea", "cafe\u0301"]])
def test_two_classes_of_one_name_are_refused_with_their_indices(tmp_path, write_parquet, grey, names):
    path = write_parquet(tmp_path / "a.parquet", [grey(1)], [0], names=names)
    with pytest.raises(UnreadableDatasetError, match=f"a.parquet has two classes called '{names[2]}', 0 and 2"):
        read(path)


def test_rows_of_many_batches_keep_their_numbers(tmp_path, write_parquet, grey):
    path = write_parquet(tmp_path / "a.parquet", [grey(number) for number in range(1100)], [0] * 1100)
    raw = read(path)
    assert raw.origins[1099] == "a.parquet row 1099"
    np.testing.assert_array_equal(raw.images[1099], grey(1099))


def test_a_split_column_and_a_group_column_are_read(tmp_path, write_parquet, grey):
    path = write_parquet(
        tmp_path / "a.parquet",
        [grey(1), grey(2), grey(3)],
        [0, 0, 1],
        fold=["train", "VAL", "test"],
        patient=[7, None, 7],
    )
    raw = read(path, split_column="fold", group_column="patient")
    assert raw.given_splits == [Split.TRAIN, Split.VALIDATION, Split.TEST]
    assert raw.groups == ["7", None, "7"]


@pytest.mark.parametrize(
    ("labels", "indices", "names"),
    [
        ([30, 5, 30], [1, 0, 1], ("5", "30")),  # by value, not by text
        (["wolf", "ant", "wolf"], [1, 0, 1], ("ant", "wolf")),
    ],
)
def test_without_names_the_classes_are_the_sorted_values(tmp_path, write_parquet, grey, labels, indices, names):
    raw = read(write_parquet(tmp_path / "a.parquet", [grey(1), grey(2), grey(3)], labels))
    assert raw.labels == indices
    assert raw.class_names == names


def test_other_column_names_are_found_where_there_is_one_choice_and_else_have_to_be_said(tmp_path, write_parquet, grey):
    images = [grey(1), grey(2)]
    path = write_parquet(
        tmp_path / "a.parquet", images, [0, 1], names=["x", "y"], image_column="scan", label_column="kind"
    )
    assert read(path).class_names == ("x", "y")
    path = write_parquet(
        tmp_path / "b.parquet", images, [0, 1], image_column="scan", label_column="kind", colour=[3, 4]
    )
    with pytest.raises(UnreadableDatasetError, match="scan, kind, colour") as refusal:
        read(path)
    assert refusal.value.field == "dataset.label_column"
    assert read(path, label_column="colour").class_names == ("3", "4")


def test_a_binary_column_holds_images_too(tmp_path, encode, grey):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": [encode(grey(5))], "label": [0]}), path)
    np.testing.assert_array_equal(read(path).images[0], grey(5))


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path, write_parquet, grey):
    path = write_parquet(tmp_path / "a.parquet", [grey(1)], [0])
    with pytest.raises(InvalidReferenceError, match="image, label") as refusal:
        read(path, group_column="patient")
    assert refusal.value.field == "dataset.group_column"


def test_a_broken_image_is_named_by_file_and_row(tmp_path, write_parquet, grey):
    write_parquet(tmp_path / "d" / "train.parquet", [grey(1), grey(2), b"broken"], [0, 0, 0])
    with pytest.raises(BrokenImageError) as refusal:
        read(tmp_path / "d")
    assert refusal.value.origin == "train.parquet row 2"


def test_the_path_of_an_image_file_is_read_from_the_folder_of_the_file(tmp_path, encode, grey):
    path = tmp_path / "a.parquet"
    (tmp_path / "1.png").write_bytes(encode(grey(5)))
    pq.write_table(pa.table({"image": ["1.png"], "label": [0]}), path)
    np.testing.assert_array_equal(read(path).images[0], grey(5))
    # A copy in the service's store lies next to other people's files.
    with pytest.raises(UnreadableDatasetError, match=r"row 0 has the path of an image file \('1\.png'\) and no image"):
        read(path, name="upload")
    cell = {"bytes": None, "path": "/etc/passwd"}
    pq.write_table(pa.table({"image": pa.array([cell]), "label": [0]}), path)
    with pytest.raises(ForbiddenLocationError):
        read(path)


def test_rows_without_a_label_are_passed_over(tmp_path, write_parquet, grey):
    raw = read(write_parquet(tmp_path / "a.parquet", [grey(1), grey(2), grey(3)], [0, -1, 1], names=["a", "b"]))
    assert raw.origins == ["a.parquet row 0", "a.parquet row 2"]
    assert raw.warnings == ("passed over: 1 row of a.parquet with the label -1, which means no label",)
    with pytest.raises(UnreadableDatasetError, match="has no row with a label: all 2 have -1"):
        read(write_parquet(tmp_path / "b.parquet", [grey(1), grey(2)], [-1, -1]))


def test_whole_floats_are_integers_and_one_image_in_a_list_is_an_image(tmp_path, encode, grey):
    cells = [[{"bytes": encode(grey(number)), "path": None}] for number in range(3)]
    pq.write_table(pa.table({"images": cells, "label": [10.0, 9.0, 9.0]}), tmp_path / "a.parquet")
    raw = read(tmp_path / "a.parquet")
    assert (raw.class_names, raw.labels) == (("9", "10"), [1, 0, 0])
    np.testing.assert_array_equal(raw.images[2], grey(2))
    pq.write_table(pa.table({"images": [cells[0] * 2], "label": [1.0]}), tmp_path / "b.parquet")
    with pytest.raises(BrokenImageError, match="row 0 has a list of 2 images"):
        read(tmp_path / "b.parquet")


@pytest.mark.parametrize(
    ("values", "splits", "warning"),
    [
        (["train", "validation", "test"], [Split.TRAIN, Split.VALIDATION, Split.TEST], None),
        (["train", "fold 2", "test"], [None] * 3, "since 'fold 2' in a.parquet is not train, validation or test"),
        ([0, 1, 2], [None] * 3, "since 0 in a.parquet is not train, validation or test"),
    ],
)
def test_a_column_called_split_is_used_or_named_as_ignored(tmp_path, write_parquet, grey, values, splits, warning):
    raw = read(write_parquet(tmp_path / "a.parquet", [grey(1), grey(2), grey(3)], [0, 1, 0], split=values))
    assert raw.given_splits == splits
    ignored = "ignored: the column 'split', {}; to use it, name it as split_column"
    assert raw.warnings == (() if warning is None else (ignored.format(warning),))


def test_a_column_called_split_gives_way_to_the_names_of_the_files(tmp_path, write_parquet, grey):
    for number, name in enumerate(("train", "test")):
        write_parquet(tmp_path / "d" / f"{name}.parquet", [grey(number)], [number], split=["train"])
    raw = read(tmp_path / "d")
    assert raw.given_splits == [Split.TEST, Split.TRAIN]
    assert raw.warnings == (
        "ignored: the column 'split', since the name of test.parquet says test; to use it, name it as split_column",
    )


@pytest.mark.parametrize(("label", "names"), [(-2, None), (2, ["a", "b"]), (None, None), (0.5, None), (" ", None)])
def test_a_label_that_makes_no_sense_is_refused_with_its_row(tmp_path, write_parquet, grey, label, names):
    path = write_parquet(tmp_path / "a.parquet", [grey(1), grey(2)], [label, label], names=names)
    with pytest.raises(UnreadableDatasetError, match=r"a\.parquet row 0 has the label"):
        read(path)


def test_a_split_value_that_is_none_is_refused(tmp_path, write_parquet, grey):
    path = write_parquet(tmp_path / "a.parquet", [grey(1)], [0], fold=["extra"])
    with pytest.raises(UnreadableDatasetError, match="'extra'"):
        read(path, split_column="fold")


def test_a_file_of_no_split_among_files_of_one_is_refused(tmp_path, write_parquet, grey):
    write_parquet(tmp_path / "d" / "train.parquet", [grey(1)], [0])
    write_parquet(tmp_path / "d" / "more.parquet", [grey(2)], [0])
    with pytest.raises(UnreadableDatasetError, match=r"more\.parquet belongs to no split"):
        read(tmp_path / "d")


def test_files_that_name_their_classes_differently_are_refused(tmp_path, write_parquet, grey):
    write_parquet(tmp_path / "d" / "test.parquet", [grey(1)], [0], names=["a", "b"])
    write_parquet(tmp_path / "d" / "train.parquet", [grey(2)], [0], names=["b", "a"])
    with pytest.raises(UnreadableDatasetError, match="other class names"):
        read(tmp_path / "d")


def test_a_file_that_is_not_parquet_and_one_without_rows_are_refused(tmp_path, write_parquet):
    (tmp_path / "a.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(UnreadableDatasetError, match="cannot be read as Parquet"):
        read(tmp_path / "a.parquet")
    with pytest.raises(UnreadableDatasetError, match="no rows"):
        read(write_parquet(tmp_path / "b.parquet", [], []), image_column="image")


def test_a_folder_without_files_is_not_found_and_a_link_out_of_the_roots_forbidden(tmp_path, write_parquet, grey):
    folder = tmp_path / "root" / "d"
    folder.mkdir(parents=True)
    with pytest.raises(UnreadableDatasetError, match="has no Parquet file"):
        read(folder, format="parquet")
    outside = write_parquet(tmp_path / "outside.parquet", [grey(1)], [0])
    (folder / "train.parquet").symlink_to(outside)
    with pytest.raises(ForbiddenLocationError):
        read(folder, folder)


def test_metadata_of_another_writer_is_passed_over(tmp_path, encode, grey):
    path = tmp_path / "a.parquet"
    for metadata in (b"{no json", b"[]", b'{"info": {"features": 3}}'):
        table = pa.table({"image": [encode(grey(5))], "label": [4]})
        pq.write_table(table.replace_schema_metadata({"huggingface": metadata}), path)
        assert read(path).class_names == ("4",)


def test_a_column_that_unpacks_to_far_more_than_it_takes_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    table = pa.table({"image": [{"bytes": bytes(2**20), "path": None}], "label": [0]})
    pq.write_table(table, tmp_path / "bomb.parquet", compression="zstd")
    monkeypatch.setattr("ldnas.data.readers.parquet_footer.RATIO_COUNTS_FROM_BYTES", 2**19)
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", lambda *args, **kwargs: pytest.fail("was unpacked"))
    with pytest.raises(UnreadableDatasetError, match=r"column image\.bytes unpacks to"):
        read(tmp_path / "bomb.parquet")


def test_one_large_image_in_every_row_is_unpacked_a_few_rows_at_a_time(tmp_path, monkeypatch):
    cells = [{"bytes": bytes([row % 2]) * 1000, "path": None} for row in range(100)]
    pq.write_table(pa.table({"image": cells, "label": [0] * 100}), tmp_path / "a.parquet")
    monkeypatch.setattr("ldnas.data.readers.parquet_footer._AT_ONCE_BYTES", 10_000)
    assert 1 <= rows_at_once(tmp_path / "a.parquet", "image", "a.parquet") <= 5  # the dictionary has 2,000 bytes
    assert rows_at_once(tmp_path / "a.parquet", "other", "a.parquet") == 512


@pytest.mark.parametrize(
    "feature", [{"info": 3}, {"info": []}, {"info": {"features": {"label": {"_type": "ClassLabel", "names": 5}}}}]
)
def test_metadata_of_another_shape_is_passed_over(tmp_path, encode, grey, feature):
    table = pa.table({"image": [{"bytes": encode(grey(5)), "path": None}], "label": [4]})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(feature)}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", label_column="label").class_names == ("4",)


def test_class_names_that_no_answer_can_contain_are_passed_over(tmp_path, write_parquet, grey):
    assert read(write_parquet(tmp_path / "a.parquet", [grey(5)], [0], names=["\ud800"])).class_names == ("0",)


@pytest.mark.parametrize(
    ("cell", "reason"), [({"path": "a.png"}, r"names the image file 'a\.png', which"), (7, "holds no image bytes")]
)
def test_a_cell_without_an_image_is_refused(tmp_path, cell, reason):
    pq.write_table(pa.table({"image": [cell], "label": [0]}), tmp_path / "a.parquet")
    with pytest.raises(BrokenImageError, match=reason):
        read(tmp_path / "a.parquet")


def test_two_columns_of_one_name_are_refused(tmp_path, encode, grey):
    cells = pa.array([{"bytes": encode(grey(5)), "path": None}])
    table = pa.Table.from_arrays([cells, pa.array([0]), pa.array([1])], ["image", "label", "label"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UnreadableDatasetError, match="two columns called 'label'"):
        read(tmp_path / "a.parquet")


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
        "data/test-00000-of-00001.parquet row 0": ("0", Split.TEST),
        "data/train-00000-of-00002.parquet row 0": ("0", Split.TRAIN),
        "data/train-00001-of-00002.parquet row 0": ("1", Split.TRAIN),
    }
    np.testing.assert_array_equal(found.images, [grey(2), grey(0), grey(1)])
    assert found.warnings == (
        "passed over: 1 file in the folder itself, not an image (README.md)",
        "passed over: 1 image in data/images, which no row names (4.png)",
    )
