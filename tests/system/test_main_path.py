"""From POST to the downloaded network, through the real processes."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import onnxruntime
import psutil
import pytest
import torch

from ldnas.data.decoding import decode_image
from ldnas.data.preprocessing import Preprocessing, normalise, to_tensor_images
from service.client import Client

pytestmark = pytest.mark.system

ACROSS = {"groups": [["across"]], "rest": True}
TOP_LEVEL = {
    *("id", "name", "state", "stage", "progress", "created_at", "finished_at", "error", "target", "verdict", "closest"),
    *("scale", "distances", "search_space", "architecture", "validation", "test", "control", "cost", "provenance"),
}


def test_a_target_becomes_a_network_to_download(up, stripes: dict[str, Any], tmp_path: Path) -> None:
    baseline = up.register("three", stripes)
    first_poll = up.recommend(stripes, labels=ACROSS, baselines=["three"], name="across or not")
    assert set(first_poll) >= TOP_LEVEL
    answer = up.ended(f"/v1/recommendations/{first_poll['id']}")
    assert (answer["state"], answer["error"]) == ("succeeded", None)
    assert answer["distances"][0]["task_id"] == baseline["id"]
    assert answer["distances"][0]["probability_closest"] == 1.0, "of one"
    # One source of two repetitions has one degree of freedom: its interval is wide, and the verdict says so.
    near = answer["distances"][0]["interval"][1] < answer["scale"]["untrained_distance"]
    assert answer["verdict"] == ("closest" if near else "no_close_task")
    assert answer["provenance"]["recipe"]["head"] == "probe"
    assert answer["cost"]["device_seconds"] > 0

    matrix = up.get("/v1/distances")
    places = [task["id"] for task in matrix["tasks"]]
    source, target = places.index(baseline["id"]), places.index(answer["target"]["task_id"])
    assert matrix["mean"][source][target] == pytest.approx(answer["distances"][0]["mean"])
    assert matrix["mean"][source][source] == matrix["mean"][target][target] == 0.0
    assert matrix["repetitions"][source][target] == 2
    assert matrix["mean"][target][source] is None

    architecture = f"/v1/architectures/{answer['architecture']['id']}"
    for kind, name in (("code", "network.py"), ("weights", "weights.safetensors")):
        (tmp_path / name).write_bytes(up.http.get(f"{architecture}/{kind}").raise_for_status().content)
    picture = next((tmp_path / "datasets" / "stripes" / "across").iterdir())
    said = subprocess.run(
        [sys.executable, "network.py", "weights.safetensors", picture], cwd=tmp_path, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    assert "across" in said.stdout
    assert "rest" in said.stdout
    program, onnx = (up.http.get(f"{architecture}/{kind}").raise_for_status().content for kind in ("program", "onnx"))
    assert zipfile.is_zipfile(io.BytesIO(program))
    metadata = (
        onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"]).get_modelmeta().custom_metadata_map
    )
    assert json.loads(metadata["class_names"]) == ["across", "rest"]

    with Client(str(up.http.base_url)) as client:
        found = client.get_recommendation(answer["id"])
        assert (found.verdict, found.json) == (answer["verdict"], answer)
        network = found.load_network()
        predicted = predicted_by_command(found.architecture.id, picture, client.base_url, tmp_path)
    images = normalise(to_tensor_images([decode_image(picture, "")], Preprocessing(found.target.image_size)))
    with torch.no_grad():
        by_torch = network(images).double().softmax(dim=1)[0].tolist()
    assert predicted == pytest.approx(dict(zip(found.target.classes, by_torch, strict=True)), abs=1e-4)


def predicted_by_command(architecture_id: str, picture: Path, url: str, cache: Path) -> dict[str, float]:
    """What `ldnas predict` says of a picture, class by class."""
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "predict", architecture_id, str(picture), "--json", "--url", url],
        env={**os.environ, "XDG_CACHE_HOME": str(cache / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (image,) = json.loads(done.stdout)["images"]
    return {entry["class"]: entry["probability"] for entry in image["predictions"]}


def test_one_home_has_one_service_which_ends_in_time_and_leaves_nothing(up) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "service.cli", "up"], env=up.environment, capture_output=True, text=True, timeout=60
    )
    assert second.returncode != 0
    assert str(up.process.pid) in second.stderr
    processes = up.processes()
    assert len(processes) >= 3
    assert up.stop() < 10
    assert not any(process.is_running() for process in processes)


def test_a_job_that_fails_says_why_as_a_problem_document(up, stripes_folder: Path, stripes: dict[str, Any]) -> None:
    (stripes_folder / "down" / "03.png").write_bytes(b"no picture at all")
    task = up.ended(f"/v1/tasks/{up.register('broken', stripes)['id']}")
    assert task["state"] == "failed"
    error = task["error"]
    assert error["type"] == "urn:ldnas:problem:broken-image"
    assert error["status"] == 422
    assert "03.png" in json.dumps(error)


def test_the_same_code_runs_on_postgresql_and_redis(
    stripes_folder: Path, stripes: dict[str, Any], tmp_path: Path, postgresql_database: str, valkey_url: str, start_up
) -> None:
    urls = {"LDNAS_DATABASE_URL": postgresql_database, "LDNAS_BROKER_URL": valkey_url}
    up = start_up(tmp_path / "home", {"LDNAS_DATASET_ROOTS": str(stripes_folder.parent), **urls})
    up.register("three", stripes)
    asked = up.recommend(stripes, labels=ACROSS, baselines=["three"])
    up.wait_for_stage(asked["job_id"], "fit")
    for runner in up.runners():
        runner.kill()
    answer = up.ended(f"/v1/recommendations/{asked['id']}")
    assert (answer["state"], answer["distances"][0]["name"]) == ("succeeded", "three")
    assert up.ends_of(asked["job_id"]) == ["succeeded"]
    assert not (tmp_path / "home" / "ldnas.sqlite3").exists()
    assert not any("redis" in psutil.Process(process.pid).name() for process in up.processes())


@pytest.mark.skipif("LDNAS_TEST_DATA" not in os.environ, reason="LDNAS_TEST_DATA does not say where MNIST's Parquet is")
def test_mnist_parquet_goes_through_the_api(tmp_path: Path, start_up, mnist_subset: Path) -> None:
    up = start_up(tmp_path / "home", {"LDNAS_DATASET_ROOTS": str(mnist_subset.parent)})
    dataset = {"uri": mnist_subset.as_uri()}
    up.register("ten digits", dataset)
    up.register("odd or even", dataset, labels={"groups": [[1, 3, 5, 7, 9]], "rest": True})
    asked = up.recommend(
        dataset, labels={"groups": [[0, 6, 8, 9]], "rest": True}, baselines=["ten digits", "odd or even"]
    )
    answer = up.ended(f"/v1/recommendations/{asked['id']}")
    assert answer["state"] == "succeeded", answer["error"]
    assert answer["target"]["image_size"] == 32
    assert len(answer["distances"]) == 2
    assert answer["test"]["accuracy"] > 0.8
