"""A registry as a file: what comes out of one installation goes into another, whole or not at all."""

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from worker.errors import BundleError, NameTakenError
from worker.registry import CellTraining, Engine, JobKind, TaskRole, open_engine, reading, unit_of_work
from worker.registry.schema import migrate
from worker.storage.artifacts import open_store
from worker.storage.bundle import read_bundle, write_bundle
from worker.storage.folder_store import FolderStore

CELL = {"edges": [[start, end, "identity"] for end in (1, 2, 3) for start in range(end)]}
COUNTS = {
    "tasks": 2,
    "networks": 4,
    "task_networks": 2,
    "task_cells": 2,
    "cell_trainings": 2,
    "genotypes": 4,
    "distances": 1,
}


@pytest.fixture
def store(settings) -> FolderStore:
    return open_store(settings)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[tuple[Engine, FolderStore]]:
    """Another installation."""
    url = f"sqlite:///{tmp_path}/there.sqlite3"
    migrate(url)
    engine = open_engine(url)
    yield engine, FolderStore(tmp_path / "there")
    engine.dispose()


def add_baseline(engine: Engine, store: FolderStore, name: str, *, finished: bool = True) -> str:
    """A baseline with a network, a trained cell, two genotypes and a Fisher summary; gives the key of its network."""
    weights, cell, seen = (store.put(f"{what} of {name}".encode()) for what in ("weights", "cell", "images"))
    network = f"network-{name}"
    with unit_of_work(engine) as registry:
        job = registry.jobs.insert(JobKind.REGISTER_TASK, {"task_id": name})
        registry.tasks.insert(
            id=f"id-{name}",
            name=name,
            role=TaskRole.BASELINE,
            job_id=job.id,
            dataset={"uri": "builtin://digits"},
            labels=None,
            epsilon=0.2,
            repetitions=1,
            seed=0,
            seen_images=seen,
        )
        for digest in (weights, cell, seen):
            registry.results.store_artifact(digest, 7, "application/octet-stream")
        columns = {"architecture": "small_cnn", "seed": 0, "classes": 2, "parameters": 10, "seconds": 1.5}
        scores = {"validation_accuracy": 0.9, "validation_balanced_accuracy": 0.8}
        registry.results.store_network(key=network, weights=weights, **columns, **scores)
        registry.task_results.link_network(f"id-{name}", 0, network)
        registry.results.store_network(key=f"cell-{name}", weights=cell, **columns, **scores)
        registry.task_results.link_cell(f"id-{name}", f"cell-{name}", {"kind": "cell", "genotype": CELL})
        training = CellTraining(f"cell-{name}", CELL, {}, 15, 0, 0.9, 0.5, 0.1, 1.5)
        registry.task_results.store_training(f"id-{name}", training)
        scored = [{"digest": f"{place}", "genotype": CELL, "validation_accuracy": 0.5 + place} for place in (0, 1)]
        rows = registry.results.store_search(f"search-{name}", "random", scored)
        registry.task_results.link_genotypes(f"id-{name}", [row.id for row in rows])
        registry.results.store_fisher_summary(
            key=f"fisher-{name}", network_key=network, data_key="d", recipe_digest="r", summary={"n": 1}, samples=4
        )
        if finished:
            claimed = registry.leases.claim(job.id, worker="w", lease_seconds=60)
            registry.leases.finish(job.id, claimed.attempt, {})
    return network


def add_distance(engine: Engine, source: str, target: str) -> None:
    row = {"source_network": source, "target_network": target, "data_key": "d", "measure": "log_det"}
    with unit_of_work(engine) as registry:
        registry.results.store_distances([{**row, "recipe_digest": "r", "value": 0.25, "signed": -0.25}])


def known(engine: Engine) -> dict[str, Any]:
    """All that a bundle carries, without what belongs to an installation."""
    with reading(engine) as registry:
        rows = registry.bundles.export_rows()
    ids = {genotype["id"]: (genotype["search_key"], genotype["position"]) for genotype in rows["genotypes"]}
    for link in rows["task_genotypes"]:
        link["genotype_id"] = ids[link["genotype_id"]]
    return {
        name: [{**row, "id": None} if name == "genotypes" else row for row in table] for name, table in rows.items()
    }


def test_a_baseline_that_is_exported_and_imported_is_known_as_it_was(engine, store, there, tmp_path) -> None:
    odd, even = (add_baseline(engine, store, name) for name in ("odd", "even"))
    add_distance(engine, odd, even)
    counts = write_bundle(engine, store, tmp_path / "known.ldnas")
    assert {name: counts[name] for name in COUNTS} == COUNTS
    imported = read_bundle(*there, tmp_path / "known.ldnas")
    assert (sorted(imported.new), imported.known) == (["even", "odd"], ())
    assert known(there[0]) == known(engine)
    with reading(there[0]) as registry:
        [first, _] = registry.tasks.baselines()
        assert first.state == "succeeded"
        assert registry.jobs.get(first.task.job_id).result["imported"] is True
        assert [genotype.position for genotype in registry.task_results.genotypes(first.task.id)] == [1, 0]
        network = registry.task_results.networks(first.task.id)[0]
        (cell,) = registry.task_results.cells(first.task.id)
        (training,) = registry.task_results.trainings(first.task.id)
    assert there[1].read(network.weights) == f"weights of {first.task.name}".encode()
    assert there[1].read(cell.network.weights) == f"cell of {first.task.name}".encode()
    assert cell.design == {"kind": "cell", "genotype": CELL}
    assert (training.training.epochs, training.weights) == (15, True)


def test_a_bundle_carries_no_image(engine, store, there, tmp_path) -> None:
    add_baseline(engine, store, "odd")
    picture = store.put(b"a picture")
    with unit_of_work(engine) as registry:
        registry.results.store_artifact(picture, 9, "image/png")
        registry.tasks.get("id-odd").samples = picture
    write_bundle(engine, store, tmp_path / "known.ldnas")
    read_bundle(*there, tmp_path / "known.ldnas")
    assert not there[1].path(picture).exists()
    with reading(there[0]) as registry:
        assert registry.tasks.get("id-odd").samples is None


def test_a_bundle_carries_no_query_of_a_url(engine, store, there, tmp_path) -> None:
    add_baseline(engine, store, "odd")
    signed = {"uri": "https://host.example.org/scans.zip?X-Amz-Signature=secret", "label_column": "kind"}
    with unit_of_work(engine) as registry:
        registry.tasks.get("id-odd").dataset = signed
    write_bundle(engine, store, tmp_path / "known.ldnas")
    with zipfile.ZipFile(tmp_path / "known.ldnas") as bundle:
        assert not any(b"secret" in bundle.read(name) for name in bundle.namelist())
    read_bundle(*there, tmp_path / "known.ldnas")
    with reading(there[0]) as registry:
        shown = {"uri": "https://host.example.org/scans.zip?…", "label_column": "kind"}
        assert registry.tasks.get("id-odd").dataset == shown
    with reading(engine) as registry:
        assert registry.tasks.get("id-odd").dataset == signed, "later attempts need it"


def test_an_unfinished_baseline_and_its_distances_are_not_exported(engine, store, there, tmp_path) -> None:
    odd, unfinished = add_baseline(engine, store, "odd"), add_baseline(engine, store, "even", finished=False)
    add_distance(engine, odd, unfinished)
    write_bundle(engine, store, tmp_path / "known.ldnas")
    read_bundle(*there, tmp_path / "known.ldnas")
    assert [task["name"] for task in known(there[0])["tasks"]] == ["odd"]
    assert known(there[0])["distances"] == []


def test_a_second_import_changes_nothing(engine, store, there, tmp_path) -> None:
    add_baseline(engine, store, "odd")
    write_bundle(engine, store, tmp_path / "known.ldnas")
    read_bundle(*there, tmp_path / "known.ldnas")
    before = known(there[0])
    again = read_bundle(*there, tmp_path / "known.ldnas", prefix="their ")
    assert (again.new, again.known) == ((), ("odd",))
    assert known(there[0]) == before


def test_genotypes_that_the_same_search_found_here_are_shared(engine, store, there, tmp_path) -> None:
    add_baseline(engine, store, "odd")
    write_bundle(engine, store, tmp_path / "known.ldnas")
    with unit_of_work(there[0]) as registry:
        scored = [{"digest": f"{place}", "genotype": CELL, "validation_accuracy": 0.5 + place} for place in (0, 1)]
        here = {row.id for row in registry.results.store_search("search-odd", "random", scored)}
    read_bundle(*there, tmp_path / "known.ldnas")
    with reading(there[0]) as registry:
        assert {row.id for row in registry.task_results.genotypes("id-odd")} == here


def test_a_taken_name_refuses_all_and_a_prefix_helps(engine, store, there, tmp_path) -> None:
    for name in ("odd", "even"):
        add_baseline(engine, store, name)
    write_bundle(engine, store, tmp_path / "known.ldnas")
    with unit_of_work(there[0]) as registry:
        job = registry.jobs.insert(JobKind.REGISTER_TASK, {})
        columns = {"dataset": {}, "labels": None, "epsilon": 0.2, "repetitions": 1, "seed": 0}
        registry.tasks.insert(id="x", name="odd", role=TaskRole.BASELINE, job_id=job.id, **columns)
    with pytest.raises(NameTakenError, match="'odd'"):
        read_bundle(*there, tmp_path / "known.ldnas")
    assert known(there[0])["tasks"] == []
    imported = read_bundle(*there, tmp_path / "known.ldnas", prefix="their ")
    assert sorted(imported.new) == ["their even", "their odd"]


def test_a_file_that_is_there_is_not_written_over(engine, store, tmp_path) -> None:
    (tmp_path / "known.ldnas").write_text("mine")
    with pytest.raises(BundleError, match="exists already"):
        write_bundle(engine, store, tmp_path / "known.ldnas")
    assert (tmp_path / "known.ldnas").read_text() == "mine"


def test_an_export_without_one_of_its_artifacts_leaves_no_file(engine, store, tmp_path) -> None:
    add_baseline(engine, store, "odd")
    store.drop(store.put(b"weights of odd"))
    with pytest.raises(BundleError, match="No such file"):
        write_bundle(engine, store, tmp_path / "known.ldnas")
    assert list(tmp_path.glob("*known*")) == []


def edited(path: Path, member: str, change: Callable[[bytes], bytes | None]) -> Path:
    """The bundle with one member changed, or without it."""
    other = path.with_name("edited.ldnas")
    with zipfile.ZipFile(path) as bundle, zipfile.ZipFile(other, "w") as copy:
        for name in bundle.namelist():
            content = bundle.read(name)
            if name.startswith(member):
                content = change(content)
            if content is not None:
                copy.writestr(name, content)
    return other


def with_field(field: str, value: Any) -> Callable[[bytes], bytes]:
    """Changes a field of the first row."""

    def change(content: bytes) -> bytes:
        first, *others = content.splitlines()
        return b"\n".join([json.dumps({**json.loads(first), field: value}).encode(), *others])

    return change


@pytest.mark.parametrize(
    ("member", "change", "fault"),
    [
        ("manifest.json", lambda content: None, "manifest.json: is missing"),
        ("manifest.json", with_field("version", 2), "manifest.json: version is 2; this ldnas reads 1"),
        ("manifest.json", with_field("format", "x"), "manifest.json: format is not"),
        ("tables/tasks", lambda content: b"{", "tables/tasks.jsonl, line 1: is not JSON"),
        ("tables/tasks", lambda content: b"[1]", "tables/tasks.jsonl, line 1: a row has the fields architecture, "),
        ("tables/tasks", with_field("job_id", "j"), "tables/tasks.jsonl, line 1: a row has the fields"),
        ("tables/tasks", with_field("seed", "0"), "seed is '0', not a whole number"),
        ("tables/tasks", with_field("seed", True), "seed is 'True', not a whole number"),
        ("tables/tasks", with_field("name", None), "name is 'None', not a text of at most 255 characters"),
        ("tables/tasks", with_field("id", "x" * 33), "not a text of at most 32 characters"),
        ("tables/tasks", with_field("epsilon", float("nan")), "epsilon is 'nan', not a finite number"),
        ("tables/tasks", with_field("dataset", "uri"), "dataset is 'uri', not a JSON object or list"),
        ("tables/tasks", with_field("seed", 2**63), "seed is '9223372036854775808', not a whole number"),
        ("tables/tasks", with_field("repetitions", 2**31), "repetitions is '2147483648', not a whole number"),
        ("tables/tasks", with_field("epsilon", 10**400), "not a finite number"),
        ("tables/tasks", with_field("name", "\ud800"), "not a text of at most 255 characters"),
        ("tables/tasks", with_field("dataset", {"uri": "\ud800"}), "not a JSON object or list"),
        ("tables/tasks", with_field("dataset", [float("inf")]), "not a JSON object or list"),
        ("tables/tasks", lambda content: b"[" * 100_000, "tables/tasks.jsonl, line 1: is not JSON"),
        ("tables/networks", with_field("weights", "0" * 64), "tables/networks.jsonl, line 1: no row is its weights"),
        ("tables/task_networks", lambda content: None, "tables/task_networks.jsonl: is missing"),
        ("tables/task_cells", with_field("design", "cell"), "design is 'cell', not a JSON object or list"),
        ("tables/task_cells", with_field("task_id", "x"), "tables/task_cells.jsonl, line 1: no row is its task_id"),
        ("tables/cell_trainings", with_field("task_id", "x"), "cell_trainings.jsonl, line 1: no row is its task_id"),
        ("tables/task_cells", with_field("network_key", "x"), "task_cells.jsonl, line 1: no row is its network_key"),
        ("artifacts/", lambda content: None, "is missing"),
        ("artifacts/", lambda content: content + b"!", "so it is damaged"),
    ],
)
def test_a_damaged_bundle_is_refused_by_its_place_and_nothing_is_stored(
    engine, store, there, tmp_path, member: str, change: Callable[[bytes], bytes | None], fault: str
) -> None:
    add_baseline(engine, store, "odd")
    write_bundle(engine, store, tmp_path / "known.ldnas")
    with pytest.raises(BundleError) as refusal:
        read_bundle(*there, edited(tmp_path / "known.ldnas", member, change))
    assert fault in str(refusal.value)
    assert known(there[0])["tasks"] == []


def test_bytes_that_cannot_be_unpacked_are_refused_wherever_they_are(engine, store, there, tmp_path) -> None:
    add_baseline(engine, store, "odd")
    write_bundle(engine, store, tmp_path / "known.ldnas")
    sound = (tmp_path / "known.ldnas").read_bytes()
    for place in range(28, 60):
        damaged = bytearray(sound)
        damaged[place] ^= 0xFF
        (tmp_path / "damaged.ldnas").write_bytes(damaged)
        with pytest.raises(BundleError):
            read_bundle(*there, tmp_path / "damaged.ldnas")


def test_a_column_that_an_older_version_did_not_know_is_null(engine, store, there, tmp_path) -> None:
    add_baseline(engine, store, "odd")
    write_bundle(engine, store, tmp_path / "known.ldnas")

    def forget(content: bytes) -> bytes:
        return json.dumps({name: value for name, value in json.loads(content).items() if name != "image_size"}).encode()

    read_bundle(*there, edited(tmp_path / "known.ldnas", "tables/tasks", forget))
    assert known(there[0]) == known(engine)


def test_a_bundle_of_a_release_without_trained_cells_is_read(engine, store, there, tmp_path) -> None:
    add_baseline(engine, store, "odd")
    write_bundle(engine, store, tmp_path / "known.ldnas")
    read_bundle(*there, edited(tmp_path / "known.ldnas", "tables/task_cells", lambda content: None))
    here, imported = known(engine), known(there[0])
    assert imported["task_cells"] == []
    assert imported["networks"] == [network for network in here["networks"] if network["key"] == "network-odd"]
    for name in ("tasks", "task_networks", "genotypes", "task_genotypes", "fisher_summaries"):
        assert imported[name] == here[name]


def test_a_file_that_is_not_a_zip_file_and_a_missing_file_are_refused(there, tmp_path) -> None:
    (tmp_path / "text.ldnas").write_text("no")
    with pytest.raises(BundleError, match=r"text\.ldnas: cannot be read as a ZIP file"):
        read_bundle(*there, tmp_path / "text.ldnas")
    with pytest.raises(BundleError, match="No such file"):
        read_bundle(*there, tmp_path / "none.ldnas")
