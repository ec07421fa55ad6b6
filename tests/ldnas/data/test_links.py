"""Links in folders and in TAR files."""

import pytest

from ldnas.errors import ForbiddenLocationError, UnreadableDatasetError
from tests.ldnas.data.reading import read
from tests.ldnas.data.ways import as_folder, as_packed, as_tar, as_tar_gz, images


def test_a_link_within_the_roots_is_followed_and_packed(write, tmp_path, monkeypatch):
    monkeypatch.setattr("ldnas.data.readers.folder_walk.MAX_FILES", 100)
    folder = write(images("a/1.png", "c/2.png"))
    (tmp_path / "elsewhere").mkdir()
    (folder / "a" / "1.png").rename(tmp_path / "elsewhere" / "3.png")
    write(images("a/1.png"))
    (folder / "b").symlink_to(tmp_path / "elsewhere")
    (folder / "c" / "again").symlink_to(folder)
    (folder / "c" / "itself").symlink_to(folder / "c")
    (folder / "c" / "lost.png").symlink_to(folder / "nothing.png")
    expected = {name: (name[0], None) for name in ("a/1.png", "b/3.png", "c/2.png")}
    found = as_folder(folder)
    assert found.places == expected
    assert found.warnings == (
        "passed over: 1 link in c, which leads to nothing (lost.png)",
        "passed over: 2 links in c, which lead back to folders above them (again, …)",
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
