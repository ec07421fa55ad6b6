import subprocess
import sys
from pathlib import Path

import pytest

from ldnas.data.reference import DatasetReference, Fractions, check_location, resolve_file
from ldnas.errors import DatasetNotFoundError, ForbiddenLocationError, InvalidReferenceError


def test_a_reference_survives_its_json_form_which_leaves_out_fields_that_were_not_given():
    value = {
        "uri": "file:///data/scans",
        "format": "parquet",
        "group_column": "patient",
        "fractions": {"train": 0.5, "validation": 0.25, "test": 0.25},
    }
    assert DatasetReference.from_json(value).to_json() == value
    assert DatasetReference.from_json({"uri": "builtin://digits"}).to_json() == {"uri": "builtin://digits"}
    assert DatasetReference.from_json({"uri": "builtin://digits", "format": None}) == DatasetReference(
        "builtin://digits"
    )


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("builtin://digits", "dataset.uri"),
        ({}, "dataset.uri"),
        ({"uri": 3}, "dataset.uri"),
        ({"uri": ""}, "dataset.uri"),
        ({"uri": "digits"}, "dataset.uri"),
        ({"uri": "ftp://host/file"}, "dataset.uri"),
        ({"uri": "file:///a?b"}, "dataset.uri"),
        ({"uri": "file://[/a"}, "dataset.uri"),
        ({"uri": "builtin://digits", "label": "x"}, "dataset.label"),
        ({"uri": "builtin://digits", "format": "hdf5"}, "dataset.format"),
        ({"uri": "builtin://digits", "label_column": 3}, "dataset.label_column"),
        ({"uri": "builtin://digits", "label_column": ""}, "dataset.label_column"),
        ({"uri": "builtin://digits", "fractions": {"train": 1.0}}, "dataset.fractions"),
        ({"uri": "builtin://digits", "fractions": [0.7, 0.2, 0.1]}, "dataset.fractions"),
    ],
)
def test_a_malformed_reference_is_refused_and_the_field_at_fault_named(value, field):
    with pytest.raises(InvalidReferenceError) as refusal:
        DatasetReference.from_json(value)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("shares", "field"),
    [
        ((0.7, 0.2, 0.2), "dataset.fractions"),
        ((1.0, 0.0, 0.0), "dataset.fractions.train"),
        ((0.9, 0.2, -0.1), "dataset.fractions.test"),
        ((0.5, "0.25", 0.25), "dataset.fractions.validation"),
        ((0.5, float("nan"), 0.5), "dataset.fractions.validation"),
    ],
)
def test_shares_that_are_none_are_refused(shares, field):
    with pytest.raises(InvalidReferenceError) as refusal:
        Fractions(*shares)
    assert refusal.value.field == field


@pytest.mark.parametrize("uri", ["https://host/set.zip?version=2", "https://host:8443/a/set.npz", "s3://bucket/key"])
def test_a_file_of_another_host_is_a_reference_that_the_caller_judges(uri):
    check_location(DatasetReference(uri, label_column="colour"), [])


@pytest.mark.parametrize("uri", ["https://host", "https://host/", "https:///set.zip", "s3://bucket", "s3://bucket/"])
def test_a_host_or_a_bucket_alone_is_not_a_file(uri):
    with pytest.raises(InvalidReferenceError, match="does not name a file"):
        check_location(DatasetReference(uri), [])


@pytest.mark.parametrize("uri", ["s3://bucket/key?versionId=1", "https://host/set.zip#part", "http://host/set.zip"])
def test_what_no_host_would_get_to_see_is_refused(uri):
    with pytest.raises(InvalidReferenceError):
        DatasetReference(uri)


def test_a_folder_of_another_host_is_refused():
    with pytest.raises(InvalidReferenceError) as refusal:
        check_location(DatasetReference("https://host/scans", format="image_folder"), [])
    assert refusal.value.field == "dataset.format"


@pytest.mark.parametrize("name", ["", "a/b", "a%20b", "%61", "-a", "a:80", "user@a", "a" * 65, "ä"])
def test_what_no_upload_can_be_called_is_refused(name):
    with pytest.raises(InvalidReferenceError) as refusal:
        check_location(DatasetReference(f"dataset://{name}"), [])
    assert refusal.value.field == "dataset.uri"


def test_an_uploaded_dataset_may_have_columns_and_no_format():
    check_location(DatasetReference("dataset://a.B_c-1", label_column="colour"), [])
    with pytest.raises(InvalidReferenceError) as refusal:
        check_location(DatasetReference("dataset://a", format="zip"), [])
    assert refusal.value.field == "dataset.format"


@pytest.mark.parametrize(("uri", "known"), [("builtin://digit", "digits"), ("torchvision://mnist", "MNIST")])
def test_an_unknown_name_is_refused_and_the_known_ones_are_listed(uri, known):
    with pytest.raises(InvalidReferenceError, match=known):
        check_location(DatasetReference(uri), [])


def test_known_names_are_accepted_without_touching_a_file():
    check_location(DatasetReference("builtin://digits"), [])
    check_location(DatasetReference("torchvision://FashionMNIST"), [])


def test_a_column_of_a_built_in_dataset_is_refused_rather_than_ignored():
    with pytest.raises(InvalidReferenceError) as refusal:
        check_location(DatasetReference("builtin://digits", group_column="writer"), [])
    assert refusal.value.field == "dataset.group_column"


def test_a_path_with_percent_signs_and_spaces_is_found(tmp_path: Path):
    folder = tmp_path / "two words#1"
    folder.mkdir()
    reference = DatasetReference(f"file://{tmp_path}/two%20words%231")
    assert resolve_file(reference, [tmp_path]) == folder


def test_a_link_or_dots_that_lead_outside_the_roots_are_refused(tmp_path: Path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "link").symlink_to(outside)
    for path in (outside, root / "link", f"{root}/../outside", f"{root}/%2E%2E/outside", "/etc/passwd"):
        with pytest.raises(ForbiddenLocationError, match=str(root)):
            check_location(DatasetReference(f"file://{path}"), [root])


def test_a_root_whose_name_merely_begins_alike_does_not_count(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data-private").mkdir()
    with pytest.raises(ForbiddenLocationError):
        check_location(DatasetReference(f"file://{tmp_path}/data-private"), [tmp_path / "data"])


def test_a_link_within_the_roots_is_followed(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert resolve_file(DatasetReference(f"file://{tmp_path}/link"), [tmp_path]) == tmp_path / "real"


def test_without_roots_no_file_is_open():
    with pytest.raises(ForbiddenLocationError, match="no folder is open"):
        check_location(DatasetReference("file:///tmp"), [])


def test_a_path_that_does_not_exist_or_cannot_be_followed_is_not_found(tmp_path: Path):
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for path in ("nothing", "circle", "x" * 5000, "half of a pair \ud800"):
        with pytest.raises(DatasetNotFoundError):
            check_location(DatasetReference(f"file://{tmp_path}/{path}"), [tmp_path])


@pytest.mark.parametrize("uri", ["file://host/data", "file:data", "file:///a%00b"])
def test_a_uri_that_is_not_an_absolute_local_path_is_refused(uri):
    with pytest.raises(InvalidReferenceError, match="not a local file"):
        check_location(DatasetReference(uri), [Path("/")])


def test_references_and_labels_load_neither_torch_nor_numpy():
    program = (
        "import sys, ldnas.data.reference, ldnas.data.labels; "
        "print([name for name in ('torch', 'numpy', 'PIL', 'pyarrow') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"
