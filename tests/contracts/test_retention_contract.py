"""Old and unused rows are removed, rows that others refer to stay, alike on SQLite and PostgreSQL."""

import hashlib
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from worker.registry import Engine, JobKind, TaskRole, reading, unit_of_work
from worker.storage.cleaner import Removed, clean
from worker.storage.folder_store import FolderStore

DAY = 86400.0
TASK = {"dataset": {}, "labels": None, "architecture": None, "epsilon": 0.2, "repetitions": 2, "seed": 0}
NETWORK = {
    "architecture": "small_cnn",
    "seed": 0,
    "classes": 2,
    "parameters": 1,
    "seconds": 1.0,
    "validation_accuracy": 0.5,
    "validation_balanced_accuracy": 0.5,
}
SUMMARY = {"data_key": "d", "recipe_digest": "r", "samples": 1}
DISTANCE = {"data_key": "d", "measure": "log_det", "recipe_digest": "r", "value": 1.0, "signed": 1.0}
GENOTYPES = [{"digest": digest, "genotype": {}} for digest in ("a", "b")]
ARCHITECTURE = {
    "name": "a",
    "genotype": {},
    "skeleton": {},
    "class_names": [],
    "preprocessing": {},
    "parameters": 1,
    "macs": 1,
    "validation": {},
    "test": {},
}
FILES = ("weights", "code", "program", "onnx", "card")


def own_as_task(registry: Any, number: int, job_id: str, one: Callable[[], str]) -> None:
    files = {"seen_images": one(), "samples": one()}
    registry.tasks.insert(id=f"t{number}", name=f"t{number}", role=TaskRole.TARGET, job_id=job_id, **files, **TASK)


def own_as_architecture(registry: Any, number: int, job_id: str, one: Callable[[], str]) -> None:
    files = {file: one() for file in FILES}
    test = {"error_sheet": {"artifact": one()}}
    registry.architectures.insert_once(id=f"a{number}", job_id=job_id, **{**ARCHITECTURE, "test": test}, **files)


def own_as_recommendation(registry: Any, number: int, job_id: str, one: Callable[[], str]) -> None:
    document = {"test": {"predictions": one(), "error_sheet": {"artifact": one()}}}
    registry.recommendations.insert(job_id=job_id, task_id="gone", request={}, document=document)


def own_as_dataset(registry: Any, number: int, job_id: str, one: Callable[[], str]) -> None:
    digest = one()
    columns = {"name": f"d{number}", "kind": "zip", "reference": {}, "sha256": digest, "bytes": 1}
    registry.datasets.store({digest: (1, "application/zip")}, **columns)


OWNERS = (own_as_task, own_as_architecture, own_as_recommendation, own_as_dataset)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "artifacts")


def age(engine: Engine, store: FolderStore, days: float) -> None:
    """Makes everything that is there so much older."""
    columns = {"jobs": ("created_at", "started_at", "finished_at"), "job_events": ("created_at",)}
    columns |= dict.fromkeys(("networks", "distances", "genotypes", "fisher_summaries", "artifacts"), ("created_at",))
    with engine.begin() as connection:
        for table, names in columns.items():
            changes = ", ".join(f"{name} = {name} - {days * DAY}" for name in names)
            connection.execute(text(f"UPDATE {table} SET {changes}"))
    for path in store.path("aa").parents[2].rglob("*"):
        moment = path.stat().st_mtime - days * DAY
        os.utime(path, (moment, moment))


def put(registry: Any, store: FolderStore, content: bytes) -> str:
    digest = store.put(content)
    registry.results.store_artifact(digest, len(content), "application/octet-stream")
    return digest


def job(engine: Engine, kind: str = JobKind.RECOMMEND, *, ended: bool = True, params: Any = None) -> str:
    with unit_of_work(engine) as registry:
        row = registry.jobs.insert(kind, params or {})
        registry.leases.claim(row.id, worker="w", lease_seconds=1e9)
        if ended:
            registry.leases.finish(row.id, 1, {})
    return row.id


def count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


def test_events_of_a_job_that_ended_long_ago_go_and_the_job_stays_while_it_is_named(
    engine: Engine, store: FolderStore
) -> None:
    old = job(engine)
    with unit_of_work(engine) as registry:
        registry.tasks.insert(id="t", name="t", role=TaskRole.TARGET, job_id=old, **TASK)
    alone = job(engine, JobKind.DISTANCES)
    age(engine, store, 91)
    running, young = job(engine, ended=False), job(engine)
    with reading(engine) as registry:
        assert registry.removable.count(registry.removable.before(90 * DAY), 0)["job_events"] == 6
    assert clean(engine, store, 90 * DAY) == Removed(events=6, jobs=1)
    with reading(engine) as registry:
        assert {row.id for row in registry.jobs.list()} == {old, running, young}
        assert not registry.jobs.events_after(old)
        assert len(registry.jobs.events_after(young)) == 3
    assert clean(engine, store, 90 * DAY) == Removed()
    assert alone


def test_what_no_task_links_goes_with_its_files_and_what_one_links_stays(engine: Engine, store: FolderStore) -> None:
    ended = job(engine)
    with unit_of_work(engine) as registry:
        registry.tasks.insert(id="t", name="t", role=TaskRole.BASELINE, job_id=ended, **TASK)
        digests = {}
        for name in ("linked", "loose"):
            digests[name] = put(registry, store, name.encode())
            registry.results.store_network(key=name, weights=digests[name], **NETWORK)
            registry.results.store_fisher_summary(key=name, network_key=name, summary={}, **SUMMARY)
            kept = registry.results.store_search(name, "given", GENOTYPES)
            if name == "linked":
                registry.task_results.link_network("t", 0, name)
                registry.task_results.link_genotypes("t", [kept[0].id])  # one of two: the search stays whole
    age(engine, store, 91)
    removed = clean(engine, store, 90 * DAY)
    assert removed == Removed(events=3, networks=1, fisher_summaries=1, genotypes=2, artifacts=1, files=1)
    with reading(engine) as registry:
        assert registry.results.network("linked") is not None
        assert registry.results.network("loose") is None
        assert len(registry.results.search("linked")) == 2
        assert registry.results.artifact(digests["loose"]) is None
    assert store.path(digests["linked"]).exists()
    assert not store.path(digests["loose"]).exists()


def test_the_network_of_a_trained_cell_stays_until_its_task_is_deleted(engine: Engine, store: FolderStore) -> None:
    ended = job(engine)
    with unit_of_work(engine) as registry:
        registry.tasks.insert(id="t", name="t", role=TaskRole.BASELINE, job_id=ended, **TASK)
        weights = put(registry, store, b"w")
        registry.results.store_network(key="n", weights=weights, **NETWORK)
        registry.task_results.link_cell("t", "n", {})
    age(engine, store, 91)
    removed = clean(engine, store, 90 * DAY)
    assert (removed.networks, removed.artifacts) == (0, 0)
    assert store.path(weights).exists()
    with unit_of_work(engine) as registry:
        registry.tasks.delete("t")
    removed = clean(engine, store, 90 * DAY)
    assert (removed.networks, removed.artifacts) == (1, 1)
    assert not store.path(weights).exists()


def test_distances_go_with_the_networks_that_they_are_between(engine: Engine, store: FolderStore) -> None:
    """One that is trained again under its key may have other weights, on another machine: it is measured again."""
    ended = job(engine)
    sources = ("linked", "loose", "untrained:small_cnn:0")
    with unit_of_work(engine) as registry:
        registry.tasks.insert(id="t", name="t", role=TaskRole.BASELINE, job_id=ended, **TASK)
        for name in ("linked", "loose"):
            registry.results.store_network(key=name, weights=put(registry, store, b"w"), **NETWORK)
        registry.task_results.link_network("t", 0, "linked")
        rows = [{"source_network": one, "target_network": other} for one in sources for other in ("linked", "loose")]
        registry.results.store_distances([{**row, **DISTANCE} for row in rows])
    age(engine, store, 91)
    removed = clean(engine, store, 90 * DAY)
    assert (removed.networks, removed.distances) == (1, 4)
    with reading(engine) as registry:
        stay = registry.results.distances(sources, ["linked", "loose"], "log_det", "r")
    assert [(row.source_network, row.target_network) for row in stay] == [
        ("linked", "linked"),
        ("untrained:small_cnn:0", "linked"),
    ]


@pytest.mark.parametrize("use", ["use_network", "store_network"])
def test_results_that_are_used_again_are_young_again(engine: Engine, store: FolderStore, use: str) -> None:
    with unit_of_work(engine) as registry:
        columns = {"key": "n", "weights": put(registry, store, b"w"), **NETWORK}
        registry.results.store_network(**columns)
        registry.results.store_search("s", "given", GENOTYPES)
    age(engine, store, 91)
    with unit_of_work(engine) as registry:
        found = registry.results.use_network("n") if use == "use_network" else registry.results.store_network(**columns)
        assert found is not None
        assert len(registry.results.use_search("s")) == 2
    assert clean(engine, store, 90 * DAY) == Removed()


def test_nothing_that_a_job_may_have_found_goes_before_the_job_ends(engine: Engine, store: FolderStore) -> None:
    running = job(engine, ended=False)
    with unit_of_work(engine) as registry:
        registry.results.store_network(key="n", weights=put(registry, store, b"w"), **NETWORK)
    age(engine, store, 200)
    assert clean(engine, store, 90 * DAY) == Removed()
    with unit_of_work(engine) as registry:
        registry.leases.finish(running, 1, {})
    assert clean(engine, store, 90 * DAY).networks == 1


def test_a_row_that_a_job_found_fresh_and_did_not_renew_stays_until_the_job_ends(
    engine: Engine, store: FolderStore
) -> None:
    with unit_of_work(engine) as registry:
        registry.results.store_network(key="n", weights=put(registry, store, b"w"), **NETWORK)
    with engine.begin() as connection:  # half an hour before the job begins
        connection.execute(text(f"UPDATE networks SET created_at = created_at - {DAY / 48}"))
    running = job(engine, ended=False)
    with unit_of_work(engine) as registry:
        assert registry.results.use_network("n") is not None
    age(engine, store, 200)
    assert clean(engine, store, 90 * DAY) == Removed()
    with unit_of_work(engine) as registry:
        registry.leases.finish(running, 1, {})
    assert clean(engine, store, 90 * DAY).networks == 1


def test_files_without_a_row_go_after_a_day_and_so_do_half_files_and_checkpoints_of_ended_jobs(
    engine: Engine, store: FolderStore
) -> None:
    ended, running = job(engine), job(engine, ended=False)
    forgotten = store.put(b"no row")
    half = store.path(forgotten).with_name(".0123.partial")
    half.write_bytes(b"hal")
    for owner in (ended, running, "f" * 32):
        store.put_checkpoint(owner, 1, 1, b"state")
    clean(engine, store, 90 * DAY)
    assert store.path(forgotten).exists()
    assert half.exists()
    age(engine, store, 1.1)
    assert clean(engine, store, 90 * DAY).files == 3
    assert not store.path(forgotten).exists()
    assert not half.exists()
    assert store.read_checkpoint(f"checkpoints/{running}/1-1") == b"state"
    assert store.read_checkpoint(f"checkpoints/{ended}/1-1") is None


@pytest.mark.parametrize("seed", range(3))
def test_no_artifact_with_an_owner_is_ever_touched(engine: Engine, store: FolderStore, seed: int) -> None:
    draw = random.Random(seed)
    contents = [f"{seed}-{number}".encode() for number in range(24)]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    owned: set[str] = set()

    def one() -> str:
        owned.add(chosen := draw.choice(digests))
        return chosen

    for number in range(5):
        done = job(engine)
        with unit_of_work(engine) as registry:
            for content in contents:
                if draw.random() < 0.8:  # a file may also lie there without a row
                    put(registry, store, content)
                else:
                    store.put(content)
            for own in draw.sample(OWNERS, 2):
                own(registry, number, done, one)
            if number % 2:
                registry.tasks.insert(id=f"b{number}", name=f"b{number}", role=TaskRole.BASELINE, job_id=done, **TASK)
                test = {"predictions": one(), "error_sheet": {"artifact": one()}}
                registry.results.store_network(key=f"n{number}", weights=one(), test=test, **NETWORK)
                registry.task_results.link_network(f"b{number}", 0, f"n{number}")
                diagonal = {"diagonal": {"artifact": one()}}
                registry.results.store_fisher_summary(
                    key=f"f{number}", network_key=f"n{number}", summary=diagonal, **SUMMARY
                )
    age(engine, store, 400)
    removed = clean(engine, store, 90 * DAY)
    assert removed.files == len(digests) - len(owned)
    assert {digest for digest in digests if store.path(digest).exists()} == owned
    assert all(store.read(digest) == contents[digests.index(digest)] for digest in owned)


def test_files_and_rows_stored_again_while_the_cleaner_removes_them_survive(engine: Engine, store: FolderStore) -> None:
    """Old and unowned files and rows, which one thread removes while others come to want them."""
    contents = [f"wanted {number}".encode() for number in range(60)]
    with unit_of_work(engine) as registry:
        for number, content in enumerate(contents):
            digest = put(registry, store, content)
            registry.results.store_network(key=f"n{number}", weights=digest, **NETWORK)
    done = job(engine)
    with unit_of_work(engine) as registry:
        registry.tasks.insert(id="t", name="t", role=TaskRole.BASELINE, job_id=done, **TASK)
    age(engine, store, 400)
    start = threading.Barrier(3)
    trouble: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            start.wait()
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - the test reads what happened
                trouble.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def want(numbers: range) -> None:
        for number in numbers:
            digest = store.put(contents[number])
            with unit_of_work(engine) as registry:
                registry.results.store_artifact(digest, 1, "application/octet-stream")
                registry.results.store_network(key=f"n{number}", weights=digest, **NETWORK)
                registry.task_results.link_network("t", number, f"n{number}")

    threads = [
        guarded(lambda: want(range(30))),
        guarded(lambda: want(range(59, 29, -1))),
        guarded(lambda: [clean(engine, store, 90 * DAY) for _ in range(6)] and None),
    ]
    for thread in threads:
        thread.join(60)
    assert trouble == []
    clean(engine, store, 90 * DAY)
    with reading(engine) as registry:
        networks = registry.task_results.networks("t")
        assert len(networks) == len(contents)
        for network in networks:
            assert registry.results.artifact(network.weights) is not None
            assert store.path(network.weights).exists()
