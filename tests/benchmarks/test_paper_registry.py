"""The registry to start from: its images, the tasks as the API takes them, and its resumption after a stop."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks.paper import registry
from benchmarks.paper.subset import drawn_by_class, write_subset
from benchmarks.paper.tasks import TASKS
from ldnas.data.labels import LabelMapping, assign
from ldnas.data.load import load_dataset
from ldnas.data.reference import DatasetReference
from service.app import create_app
from service.client import Client
from tests.service.conftest import InProcess
from worker.registry import open_engine, unit_of_work
from worker.registry.schema import migrate
from worker.settings import Settings

NAMES = [f"class {label}" for label in range(10)]


def write_set(folder: Path, *, train: int, test: int, seed: int = 0) -> Path:
    """A set of ten classes, 12×12, in the layout of Hugging Face datasets; half of its images are of class 0."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": NAMES}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    for split, count in (("train", train), ("test", test)):
        labels = [0 if row % 2 else row // 2 % 10 for row in range(count)]
        images = [{"bytes": _png(random, label), "path": f"{row}.png"} for row, label in enumerate(labels)]
        table = pa.table({"image": images, "label": labels}).replace_schema_metadata(metadata)
        pq.write_table(table, folder / f"{split}.parquet")
    return folder


def _png(random: np.random.Generator, label: int) -> bytes:
    pixels = random.integers(0, 60, (12, 12), dtype=np.uint8) + np.uint8(19 * label)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    return content.getvalue()


def digest(folder: Path) -> str:
    return load_dataset(DatasetReference.from_json({"uri": folder.as_uri()}), roots=[folder], cache=folder).digest


def test_a_subset_is_a_set_of_the_same_layout_whose_classes_keep_their_shares(tmp_path: Path) -> None:
    whole = write_set(tmp_path / "whole", train=400, test=60)
    write_subset(whole, tmp_path / "part", {"train": 100, "test": 20}, seed=0)
    for split, count in (("train", 100), ("test", 20)):
        before, after = (pq.read_table(folder / f"{split}.parquet") for folder in (whole, tmp_path / "part"))
        assert after.schema.equals(before.schema, check_metadata=True)
        of_each = [np.bincount(table.column("label").to_numpy(), minlength=10) for table in (before, after)]
        assert np.abs(of_each[1] - of_each[0] * count / len(before)).max() < 1
        rows = before.to_pylist()
        places = [rows.index(row) for row in after.to_pylist()]
        assert len(places) == count
        assert places == sorted(places)


def test_a_subset_has_one_content_however_often_it_is_written_and_another_by_another_seed(tmp_path: Path) -> None:
    whole = write_set(tmp_path / "whole", train=200, test=40)
    for name, seed in (("first", 0), ("second", 0), ("other", 1)):
        write_subset(whole, tmp_path / name, {"train": 80, "test": 20}, seed=seed)
    assert digest(tmp_path / "first") == digest(tmp_path / "second")
    assert digest(tmp_path / "first") != digest(tmp_path / "other")
    write_subset(whole, tmp_path / "first", {"train": 80, "test": 20}, seed=0)
    assert digest(tmp_path / "first") == digest(tmp_path / "second")
    assert sorted(file.name for file in (tmp_path / "first").iterdir()) == ["test.parquet", "train.parquet"]


def test_positions_are_drawn_once_each_and_all_of_them_where_there_are_too_few() -> None:
    labels = np.array([3, 3, 1, 3, 1, 0, 3, 3])
    chosen = drawn_by_class(labels, 4, seed=0)
    assert sorted(set(chosen)) == chosen.tolist()
    assert np.bincount(labels[chosen], minlength=4)[3] in (2, 3)  # of five in eight: 2.5
    assert drawn_by_class(labels, 9, seed=0).tolist() == list(range(8))
    assert len({tuple(drawn_by_class(labels, 4, seed)) for seed in range(20)}) > 1


@pytest.mark.parametrize("task", TASKS["paper"], ids=registry.name_of)
def test_the_mapping_sent_to_the_api_assigns_labels_as_the_task_itself_does(task: Any) -> None:
    sent = registry.labels_of(task)
    mapping = None if sent is None else LabelMapping.from_json(sent)
    assigned = assign(mapping, NAMES)
    original = np.arange(10)
    assert [assigned[label] for label in original] == task.labels(original).tolist()
    assert (mapping is not None and mapping.balance) == (task.number == 6)


def test_a_folder_without_the_sets_is_refused_with_the_expected_layout(tmp_path: Path) -> None:
    with pytest.raises(
        SystemExit, match=r"mnist has no train\.parquet; --data names a folder with mnist/ and cifar10/"
    ):
        registry.require_sets(tmp_path)
    for name in ("mnist", "cifar10"):
        write_set(tmp_path / name, train=10, test=10)
    registry.require_sets(tmp_path)
    pq.write_table(pa.table({"image": [b""], "digit": [1]}), tmp_path / "cifar10" / "test.parquet")
    with pytest.raises(SystemExit, match=r"cifar10/test\.parquet has no column `label`"):
        registry.require_sets(tmp_path)
    (tmp_path / "cifar10" / "test.parquet").write_bytes(b"not Parquet")
    with pytest.raises(SystemExit, match=r"cifar10/test\.parquet is not a Parquet file"):
        registry.require_sets(tmp_path)


def test_a_file_that_is_there_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    out = tmp_path / "registry.ldnas"
    out.touch()
    with pytest.raises(SystemExit, match="is there already"):
        registry.main(["--data", str(tmp_path), "--scale", "small", "--work", str(tmp_path / "w"), "--out", str(out)])
    assert [*tmp_path.iterdir()] == [out]


def test_its_service_reaches_no_registry_that_is_set_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LDNAS_DATABASE_URL", "postgresql://db/theirs")
    monkeypatch.setenv("LDNAS_DEVICE", "cpu")
    settings = registry.settings_of(tmp_path / "home", tmp_path / "sets", "small_cnn")
    assert settings.database_url == f"sqlite:///{tmp_path}/home/ldnas.sqlite3"
    assert (settings.dataset_roots, settings.device) == ((tmp_path / "sets",), "cpu")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with a database, and both sets next to it."""
    for name in ("mnist", "cifar10"):
        write_set(tmp_path / "sets" / name, train=120, test=30, seed=len(name))
    settings = registry.settings_of(tmp_path / "home", tmp_path / "sets", "small_cnn")
    settings.home.mkdir()
    migrate(settings.database_url)
    return settings


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    """The application without a server and without workers."""
    app = create_app(settings)
    with Client("http://service", transport=InProcess(app)) as client:
        yield client
    app.state.resources.engine.dispose()


def register_all(client: Client, sets: Path) -> list[str]:
    return [registry.registered(client, task, (sets / task.dataset).as_uri()).id for task in TASKS["paper"]]


def test_the_service_takes_all_eight_tasks_and_a_second_run_finds_those_of_the_first(
    client: Client, tmp_path: Path
) -> None:
    first = register_all(client, tmp_path / "sets")
    assert len(set(first)) == 8
    assert register_all(client, tmp_path / "sets") == first
    assert len([*client.tasks()]) == 8


def test_a_task_that_failed_in_an_earlier_run_is_registered_again(client: Client, settings: Settings) -> None:
    first = register_all(client, settings.dataset_roots[0])
    engine = open_engine(settings.database_url)
    with unit_of_work(engine) as rows:
        job = rows.leases.claim(rows.tasks.get(first[3]).job_id, worker="w", lease_seconds=60)
        assert job is not None
        rows.leases.fail(job.id, job.attempt, {"code": "internal", "detail": "x", "field": None, "origin": None})
    engine.dispose()
    second = register_all(client, settings.dataset_roots[0])
    assert [place for place, (before, now) in enumerate(zip(first, second, strict=True)) if before != now] == [3]
    assert len([*client.tasks()]) == 8


def test_tasks_on_images_in_another_place_are_not_mixed_with_those_that_are_there(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    register_all(client, settings.dataset_roots[0])
    with pytest.raises(SystemExit, match=r"mnist_digit_0_or_not is there with images from .*/sets/mnist; name another"):
        register_all(client, tmp_path / "moved")
