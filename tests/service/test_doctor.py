"""`ldnas doctor` names each fault, and says what to do."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import diagnosis
from service.cli.command import app as cli
from service.cli.diagnosis import Finding, Level, diagnose
from worker.registry import Engine, JobKind, unit_of_work
from worker.s3 import S3Access
from worker.settings import Settings
from worker.storage.artifacts import open_store

FACTS = {"host": "h", "devices": ["cpu"], "gpus": [], "version": "0.1", "heartbeat_seconds": 15.0}


@pytest.fixture
def findings(settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Finding]]:
    monkeypatch.setattr(diagnosis, "_LOOK_AT_DEVICE", "print(False, 0, None)")  # torch takes seconds to import

    def look(deep: bool = False, **changes: object) -> dict[str, Finding]:
        found = [*diagnose(replace(settings, **changes), deep=deep)]
        assert all(finding.advice for finding in found if finding.level is not Level.OK)
        return {finding.check: finding for finding in found}

    return look


def levels(found: dict[str, Finding]) -> dict[str, str]:
    return {check: finding.level.value for check, finding in found.items()}


def test_where_all_is_well_every_line_is_ok(engine: Engine, findings: Callable[..., dict[str, Finding]]) -> None:
    with unit_of_work(engine) as registry:
        registry.workers.beat(id="a" * 32, name="a", **FACTS)
    checks = ("database", "broker", "artifact folder", "disk", "device", "artifacts", "retention", "clock", "workers")
    assert levels(findings()) == dict.fromkeys((*checks, "queue", "jobs"), "ok") | {"disk": findings()["disk"].level}


def test_files_that_are_missing_or_damaged_are_named(
    engine: Engine, settings: Settings, findings: Callable[..., dict[str, Finding]]
) -> None:
    store = open_store(settings)
    digests = [store.put(content) for content in (b"whole", b"missing", b"short", b"other")]
    with unit_of_work(engine) as registry:
        for digest, size in zip(digests, (5, 7, 5, 5), strict=True):
            registry.results.store_artifact(digest, size, "application/octet-stream")
    assert findings(deep=True)["artifacts"].level == "ok"
    store.path(digests[1]).unlink()
    store.path(digests[2]).write_bytes(b"sho")
    store.path(digests[3]).write_bytes(b"OTHER")
    quick, thorough = (findings(deep=deep)["artifacts"] for deep in (False, True))
    assert (quick.level, thorough.level) == ("fail", "fail")
    assert f"1 missing ({digests[1]}); 1 damaged ({digests[2]})" in quick.message
    assert "2 damaged" in thorough.message


def test_a_server_that_is_away_fails_and_the_rest_is_checked_all_the_same(
    findings: Callable[..., dict[str, Finding]],
) -> None:
    found = findings(database_url="postgresql://u:hunter2@127.0.0.1:1/x", broker_url="redis://:hunter2@127.0.0.1:1/0")
    assert (found["database"].level, found["broker"].level, found["artifact folder"].level) == ("fail", "fail", "ok")
    assert "hunter2" not in str(found)
    assert "artifacts" not in found


def test_a_database_that_is_not_migrated_fails(tmp_path: Path, findings: Callable[..., dict[str, Finding]]) -> None:
    assert "ldnas migrate" in findings(database_url=f"sqlite:///{tmp_path / 'nothing.sqlite3'}")["database"].advice
    assert not (tmp_path / "nothing.sqlite3").exists()


def test_a_folder_that_cannot_be_written_to_fails(tmp_path: Path, findings: Callable[..., dict[str, Finding]]) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert findings(artifact_url=str(tmp_path / "file" / "artifacts"))["artifact folder"].level == "fail"


def test_object_storage_that_is_away_fails_and_the_rest_is_checked_all_the_same(
    findings: Callable[..., dict[str, Finding]],
) -> None:
    away = S3Access(endpoint="https://127.0.0.1:9", key_id="a", secret="b")
    found = findings(artifact_url="s3://bucket/ldnas", s3=away)
    assert found["artifact store"].level == "fail"
    assert found["artifact store"].message.startswith(
        "LDNAS_ARTIFACT_URL is s3://bucket/ldnas, and https://127.0.0.1:9 does not answer ("
    )
    assert {"disk", "jobs"} <= set(found)
    assert not {"artifacts", "retention"} & set(found)


def test_lost_workers_long_waits_and_jobs_that_no_process_took_back_are_reported(
    engine: Engine, findings: Callable[..., dict[str, Finding]]
) -> None:
    assert findings()["workers"].level == "warn"
    with unit_of_work(engine) as registry:
        registry.jobs.insert(JobKind.RECOMMEND, {})
        silent, lost = (registry.jobs.insert(JobKind.RECOMMEND, {}).id for _ in range(2))
        registry.leases.claim(silent, worker="w", lease_seconds=10_000)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET run_after = run_after - 5000, progressed_at = progressed_at - 5000")
    found = findings()
    assert (found["queue"].level, found["jobs"].level) == ("warn", "warn")
    assert silent in found["jobs"].message
    with unit_of_work(engine) as registry:
        registry.leases.claim(lost, worker="w", lease_seconds=-1000)
    assert findings()["jobs"].level == "fail"
    assert lost in findings()["jobs"].message


def test_a_gpu_that_is_asked_for_and_not_there_fails(findings: Callable[..., dict[str, Finding]]) -> None:
    assert findings(device="cuda:0")["device"].level == "fail"


def test_only_where_no_worker_lives_elsewhere_is_torch_missed(
    engine: Engine, findings: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(diagnosis, "version", absent)
    assert findings()["device"].level == "warn"
    with unit_of_work(engine) as registry:
        registry.workers.beat(id="a" * 32, name="a", **FACTS)
    found = findings()["device"]
    assert (found.level, found.message) == ("ok", "torch is not installed here, and 1 workers run elsewhere")


def test_what_the_cleaner_would_remove_is_counted(
    settings: Settings, findings: Callable[..., dict[str, Finding]]
) -> None:
    import os

    store = open_store(settings)
    path = store.path(store.put(b"forgotten"))
    assert findings()["retention"].message == "a dispatcher would remove: nothing"
    os.utime(path, (0, 0))
    assert findings()["retention"].message == "a dispatcher would remove: 1 files without an owner"
    assert path.exists()


@pytest.mark.parametrize(("variable", "code"), [({}, 0), ({"LDNAS_PORT": "x"}, 1)])
def test_the_exit_code_and_the_json_say_whether_something_fails(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch, variable: dict[str, str], code: int
) -> None:
    monkeypatch.setattr(diagnosis, "_LOOK_AT_DEVICE", "print(False, 0, None)")
    monkeypatch.setattr(diagnosis, "NO_BYTES", 0)
    ended = CliRunner().invoke(cli, ["doctor", "--json"], env={**settings.as_environment(), **variable})
    assert ended.exit_code == code
    report = json.loads(ended.stdout)
    assert report["ok"] == (code == 0)
    assert report["findings"][0]["check"] == "settings"
