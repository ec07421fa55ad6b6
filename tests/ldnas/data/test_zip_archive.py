"""Image folders in ZIP files, and ZIP files that must not be unpacked."""

import io
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from ldnas.data.dataset import Split
from ldnas.data.load import load_dataset
from ldnas.data.readers import zip_archive as module
from ldnas.data.readers.files import read_file
from ldnas.data.readers.records import Records
from ldnas.data.readers.zip_archive import RATIO_COUNTS_FROM_BYTES
from ldnas.data.reference import DatasetReference
from ldnas.errors import BrokenImageError, UnreadableDatasetError
from tests.ldnas.data.reading import read


@pytest.fixture
def pack(tmp_path, encode, grey) -> Callable[..., Path]:
    """Write a ZIP file of these paths, each a different image, or the bytes that are given."""

    def make(*paths: str | zipfile.ZipInfo, content: bytes | None = None) -> Path:
        with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for number, path in enumerate(paths):
                archive.writestr(path, encode(grey(number)) if content is None else content)
        return tmp_path / "set.zip"

    return make


def windows(name: str) -> zipfile.ZipInfo:
    """An entry as old programs of Windows write it."""
    entry = zipfile.ZipInfo("x")
    entry.filename, entry.create_system = name, 0
    return entry


def test_folders_separated_by_backslashes_are_read_if_the_archive_is_one_of_windows(pack):
    raw = read(pack(windows("set\\bent\\1.png"), windows("set\\good\\2.png"), windows("set\\empty\\")))
    assert raw.places == {"bent/1.png": ("bent", None), "good/2.png": ("good", None)}
    assert raw.warnings == ("passed over: the folder set/empty has no image, and makes no class",)


@pytest.mark.parametrize("name", ["..\\good\\1.png", "good\\..\\..\\1.png", "C:\\good\\1.png", "\\\\host\\good\\1.png"])
def test_backslashes_lead_out_of_no_archive(pack, name):
    with pytest.raises(UnreadableDatasetError, match="is not a relative path below the archive"):
        read(pack(windows(name), windows("bent\\2.png")))


def records_of(path: Path) -> Records:
    return read_file(path, DatasetReference("dataset://set"), [])


@pytest.mark.parametrize("root", ["", "stripes/"])
@pytest.mark.parametrize("with_folders", [True, False])
def test_the_digest_is_that_of_the_folder(stripes_folder, tmp_path, root, with_folders):
    (stripes_folder / "notes.txt").write_text("no image")
    (stripes_folder / "across" / "deep").mkdir()
    shutil.copy(stripes_folder / "down" / "00.png", stripes_folder / "across" / "deep" / "x.png")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        # A ZIP file lists its entries in whatever order they came.
        for path in sorted(stripes_folder.rglob("*"), reverse=True):
            if path.is_file() or with_folders:
                archive.write(path, root + path.relative_to(stripes_folder).as_posix())
    as_folder, as_zip = (
        load_dataset(DatasetReference(place.as_uri()), roots=[tmp_path], cache=tmp_path)
        for place in (stripes_folder, tmp_path / "set.zip")
    )
    assert as_zip.digest == as_folder.digest
    assert as_zip.origins == as_folder.origins
    assert len(as_zip) == 37


def test_splits_are_recognised_above_the_classes(pack):
    raw = read(pack("test/cat/c.png", "train/cat/a.png", "val/dog/b.png", "__MACOSX/train/cat/._a.png"))
    assert raw.origins == ["test/cat/c.png", "train/cat/a.png", "val/dog/b.png"]
    assert raw.given_splits == [Split.TEST, Split.TRAIN, Split.VALIDATION]
    assert raw.class_names == ("cat", "dog")


def test_a_lone_folder_named_like_a_split_is_the_split(pack):
    raw = read(pack("train/cat/a.png", "train/dog/b.png"))
    assert (raw.class_names, raw.given_splits) == (("cat", "dog"), [Split.TRAIN] * 2)


def test_each_image_is_decoded_when_it_is_taken(pack):
    assert [record.decode().pixels.shape for record in records_of(pack("cat/a.png", "dog/b.png"))] == [(4, 4, 1)] * 2
    records = records_of(pack("cat/a.png", "dog/b.png", content=b"no image"))
    assert [record.entry.origin for record in records] == ["cat/a.png", "dog/b.png"]


def linked(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("../cat/a.png", "not a relative path"),
        ("cat/../../a.png", "not a relative path"),
        ("/etc/a.png", "not a relative path"),
        ("C:/a.png", "not a relative path"),
        ("cat\\a.png", "not a relative path"),
        (linked("cat/a.png"), "a link"),
    ],
    ids=str,
)
def test_what_could_leave_the_archive_is_refused_by_name(pack, entry, reason):
    with pytest.raises(UnreadableDatasetError, match=reason) as refusal:
        read(pack("cat/fine.png", entry))
    assert refusal.value.origin == f"set.zip: {getattr(entry, 'filename', entry)}"


def test_an_encrypted_file_is_refused(pack):
    path = pack("cat/a.png")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(UnreadableDatasetError, match="is encrypted"):
        read(path)


def test_a_file_without_a_name_is_refused(pack, grey, encode):
    path = pack("cat/a.png", "cat/b.png")
    entry = zipfile.ZipInfo("cat/c.png")
    entry.filename = ""
    with zipfile.ZipFile(path, "a") as archive, archive.open(entry, "w") as file:
        file.write(encode(grey(1)))
    with pytest.raises(UnreadableDatasetError, match="not a relative path"):
        read(path)


def test_a_path_that_is_there_twice_is_refused(pack):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = pack("cat/a.png", "cat/a.png")
    with pytest.raises(UnreadableDatasetError, match="occurs twice"):
        read(path)


def test_a_file_that_says_it_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/a.png", bytes(RATIO_COUNTS_FROM_BYTES + 1))
    with pytest.raises(UnreadableDatasetError, match="unpacks to"):
        read(tmp_path / "bomb.zip")


def test_a_file_that_unpacks_to_more_than_it_says_is_refused(tmp_path):
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/a.png", bytes(10_000))
    content = bytearray(path.read_bytes())
    for header, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", content, content.index(header) + place, 50)
    path.write_bytes(content)
    with pytest.raises(UnreadableDatasetError, match="cannot be unpacked"):
        read(path)


def test_a_directory_that_would_fill_the_memory_is_not_read(pack, monkeypatch):
    path = pack(*(f"cat/{number}.png" for number in range(100)))
    monkeypatch.setattr(module, "MAX_DIRECTORY_BYTES", 5000)  # some 57 bytes an entry
    with pytest.raises(UnreadableDatasetError, match="its directory is larger than 5000 bytes"):
        read(path)


def test_an_image_that_is_not_compressed_may_be_larger_than_a_directory(tmp_path, monkeypatch):
    content = io.BytesIO()
    PillowImage.fromarray(np.zeros((60, 60), np.uint8)).save(content, "BMP")
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("cat/a.bmp", content.getvalue())
    monkeypatch.setattr(module, "MAX_DIRECTORY_BYTES", 3000)
    assert [image.shape for image in read(tmp_path / "set.zip").images] == [(60, 60, 1)]


def test_files_that_share_their_bytes_are_refused(pack):
    path = pack("cat/a.png", "cat/b.png")
    content = bytearray(path.read_bytes())
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4)
    struct.pack_into("<I", content, second + 42, 0)  # the second entry now begins where the first does
    path.write_bytes(content)
    with pytest.raises(UnreadableDatasetError, match="shares bytes"):
        read(path)


def test_a_broken_image_is_named_by_its_path_within_the_folder(pack):
    with pytest.raises(BrokenImageError) as refusal:
        read(pack("set/cat/a.png", "set/dog/b.png", content=b"no image"))
    assert refusal.value.origin == "cat/a.png"


@pytest.mark.parametrize("paths", [(), ("a.png",), ("cat/notes.txt",)])
def test_an_archive_without_images_in_classes_is_refused(pack, paths):
    with pytest.raises(UnreadableDatasetError, match=r"is empty|has no images"):
        read(pack(*paths, content=b"text"))


def test_a_file_that_is_not_an_archive_is_refused(tmp_path):
    (tmp_path / "set.zip").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(UnreadableDatasetError, match="cannot be read as a ZIP file"):
        read(tmp_path / "set.zip")
