"""The artifact store on a disk in trouble."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from worker.storage.folder_store import FolderStore


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow over so many bytes, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with largest_file(100):
        with pytest.raises(OSError, match="File too large"):
            store.put(b"weights" * 100)
        with pytest.raises(OSError, match="File too large"):
            store.put_checkpoint("job", 1, 1, b"state" * 100)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["sha256.lock"]
    assert store.read(store.put(b"weights" * 100)) == b"weights" * 100
