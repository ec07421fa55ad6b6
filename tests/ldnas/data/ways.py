"""The ways in which files become a dataset: a folder, a ZIP file, a TAR file, and a folder that the client packs."""

import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from service.client.datasets import packed
from tests.ldnas.data.reading import Decoded, read

Files = Mapping[str, bytes | None]
"""Contents by path; None is an image that no other path has, and a path that ends in / an empty folder."""


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
