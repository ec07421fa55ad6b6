"""TAR files, files that are not archives, and names in ZIP files."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from ldnas.errors import UnreadableDatasetError
from tests.ldnas.data.reading import read
from tests.ldnas.data.ways import images


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


def test_a_class_whose_name_has_a_backslash_is_refused_for_that(write):
    with pytest.raises(UnreadableDatasetError, match=r"the folder %5C names a class, but its name has a backslash"):
        read(write(images("\\/1.png", "bb/2.png")))
