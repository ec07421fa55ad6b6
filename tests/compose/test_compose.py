"""The deployment on a real engine, in the order in which an operator meets it: the tests build on one another."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.compose.engine import Project, documented
from tests.deployment.caller import Caller
from tests.deployment.compose import ROOT
from tests.deployment.waiting import until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

DIGITS = {"uri": "file:///datasets/digits"}
SMALL = {"search": {"candidates": 2, "rounds": 1}, "budget": {"iterations": 1}, "repetitions": 1}
IMAGES = {"api": "ldnas-api:0.2.0", "worker": "ldnas-worker-cpu:0.2.0"}
LARGEST_BYTES = 2.5e9

# Kills the first child of the container's init, which is the service.
KILL = """
import os, pathlib, signal
for process in pathlib.Path("/proc").glob("[0-9]*"):
    if (process / "stat").read_text().rpartition(")")[2].split()[1] == "1":
        os.kill(int(process.name), signal.SIGKILL)
"""


def draw_digits(folder: Path) -> None:
    """A folder of handwritten digits for each class, as PNG files of 16 pixels: 40 of each from 0 to 3."""
    digits = load_digits()
    for label in range(4):
        target = folder / str(label)
        target.mkdir(parents=True)
        for index, pixels in enumerate(digits.images[digits.target == label][:40]):
            Image.fromarray(np.kron(pixels * 15, np.ones((2, 2))).astype(np.uint8)).save(target / f"{index}.png")


def layers(project: Project, service: str) -> list[str]:
    return list(project.image(IMAGES[service])["RootFS"]["Layers"])


def test_the_documented_commands_build_it_and_every_service_becomes_healthy(
    project: Project, figures: dict[str, Any]
) -> None:
    began = time.monotonic()
    project.run(documented("deploy/prepare"))
    figures["up_seconds"] = round(time.monotonic() - began)
    for service in ("api", "dispatcher", "worker", "postgres", "redis"):
        assert project.health(service) == "healthy"
        config, host = project.inspect(service)["Config"], project.inspect(service)["HostConfig"]
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", config["User"])
        assert (host["ReadonlyRootfs"], host["CapDrop"], host["Memory"] > 0) == (True, ["ALL"], True)
    assert project.inspect("migrate")["State"]["ExitCode"] == 0
    assert project.inspect("postgres")["HostConfig"]["ShmSize"] == 256 * 1024**2


def test_the_worker_for_processors_is_small(project: Project, figures: dict[str, Any]) -> None:
    base = project.image("python:3.13.14-slim-trixie")["Size"]
    figures["image_bytes"] = {"python": base, **{name: project.image(tag)["Size"] for name, tag in IMAGES.items()}}
    assert figures["image_bytes"]["worker"] <= LARGEST_BYTES


def test_another_up_recreates_nothing(project: Project) -> None:
    before = project.containers()
    for command in ("docker compose up --detach --wait", "docker compose up --build --detach --wait"):
        project.shell(command)
        assert project.containers() == before


def test_a_changed_line_makes_one_layer_of_megabytes(project: Project, figures: dict[str, Any]) -> None:
    before = layers(project, "api")
    with (project.folder / "service" / "app.py").open("a") as module:
        module.write(f"# changed at {time.time()}\n")
    began = time.monotonic()
    project.shell("docker compose build migrate")
    figures["rebuild_seconds"] = round(time.monotonic() - began, 1)
    after = layers(project, "api")
    assert len(after) == len(before)
    assert [place for place, (old, new) in enumerate(zip(before, after, strict=True)) if old != new] == [len(after) - 2]
    sizes = project.shell(
        f"docker history --no-trunc --human=false --format '{{{{.Size}}}} {{{{.CreatedBy}}}}' {IMAGES['api']}"
    )
    [program] = [int(line.split()[0]) for line in sizes.splitlines() if "/wheels/" in line]
    figures["program_layer_bytes"] = program
    assert 1e6 < program < 2e7
    with (project.folder / "README.md").open("a") as readme:
        readme.write("\nchanged\n")
    built = project.shell("docker compose build --progress plain migrate")
    assert re.search(r"CACHED\s*$", built, re.MULTILINE)
    assert "Collecting" not in built.partition("pip wheel")[0]
    project.shell("docker compose up --detach --wait")


def test_a_known_task_and_a_recommendation_from_a_folder_of_the_host(project: Project, caller: Caller) -> None:
    draw_digits(project.folder / "datasets" / "digits")
    assert caller.http.get("/v1/tasks", headers={"Authorization": ""}).status_code == 401
    task = caller.post("/v1/tasks", {"name": "digits", "dataset": DIGITS, "repetitions": 1})
    assert caller.ended(f"/v1/tasks/{task['id']}")["state"] == "succeeded"
    labels = {"groups": [["0"]], "rest": True}
    body = {"dataset": DIGITS, "labels": labels, "baselines": ["digits"], **SMALL}
    asked = caller.post("/v1/recommendations", body)
    answer = caller.ended(f"/v1/recommendations/{asked['id']}")
    assert answer["state"] == "succeeded", answer["error"]
    files = f"/v1/architectures/{answer['architecture']['id']}"
    assert len(caller.http.get(f"{files}/weights").raise_for_status().content) > 1000


def test_the_found_network_predicts_in_the_image_without_cuda_as_elsewhere(
    project: Project, caller: Caller, tmp_path: Path
) -> None:
    [found] = caller.get("/v1/architectures")["items"]
    folder = project.folder / "found"
    folder.mkdir()
    for kind, name in (("code", "network.py"), ("weights", "weights.safetensors"), ("onnx", "network.onnx")):
        (folder / name).write_bytes(
            caller.http.get(f"/v1/architectures/{found['id']}/{kind}").raise_for_status().content
        )
    picture = project.folder / "datasets" / "digits" / "0" / "0.png"
    shutil.copy(picture, folder)
    in_image = project.shell(
        "docker run --rm --read-only --network none --volume ./found:/found:ro --workdir /found ldnas-worker-cpu:0.2.0"
        " python network.py weights.safetensors 0.png"
    )
    by_torch = {name: float(part) for part, name in re.findall(r"^  (\d\.\d{4})  (.+)$", in_image, re.MULTILINE)}
    predict = [sys.executable, "-m", "service.cli", "predict", str(folder / "network.onnx"), str(picture), "--json"]
    said = subprocess.run(
        predict, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    [image] = json.loads(said.stdout)["images"]
    by_onnx = {entry["class"]: entry["probability"] for entry in image["predictions"]}
    assert len(by_onnx) == 2
    assert by_torch == pytest.approx(by_onnx, abs=1e-3)


def test_a_race_of_the_default_kind_succeeds_in_the_small_image(caller: Caller) -> None:
    """With ImageNet's network, timm and the exporters, as a request without settings has it."""
    asked = caller.post("/v1/recommendations", {"dataset": DIGITS, "baselines": ["digits"], "budget": {"seconds": 45}})
    answer = caller.ended(f"/v1/recommendations/{asked['id']}")
    assert answer["state"] == "succeeded", answer["error"]


def test_behind_a_proxy_that_terminates_tls_the_session_cookie_is_secure(project: Project, caller: Caller) -> None:
    key = (project.folder / "secrets" / "admin_key").read_text()
    for scheme, is_secure in (("https", True), ("http", False)):
        host = caller.http.base_url.netloc.decode()
        headers = {"X-Forwarded-Proto": scheme, "X-Forwarded-For": "198.51.100.7", "Origin": f"{scheme}://{host}"}
        answer = httpx.post(f"http://{host}/login", json={"key": key}, headers=headers)
        assert answer.is_success, answer.text
        assert ("secure" in answer.headers["set-cookie"].lower()) is is_secure


def test_a_killed_worker_costs_a_job_nothing_but_time(project: Project, caller: Caller) -> None:
    body = {"dataset": DIGITS, "labels": {"groups": [["1"]], "rest": True}, "baselines": ["digits"], **SMALL}
    asked = caller.post("/v1/recommendations", body)
    job = f"/v1/jobs/{asked['job_id']}"
    until(lambda: caller.get(job)["stage"] in ("fit", "search"), "something can be lost")
    restarts = project.inspect("worker")["RestartCount"]
    project.shell(f"docker compose exec -T worker python -c '{KILL.strip()}'", fails=True)
    until(lambda: project.inspect("worker")["RestartCount"] > restarts, "the engine starts the worker again")
    until(lambda: caller.get(job)["attempt"] >= 2, "another attempt begins")
    answer = caller.ended(f"/v1/recommendations/{asked['id']}")
    assert answer["state"] == "succeeded", answer["error"]
    assert caller.get(job)["failures"] <= 1


def test_without_its_broker_an_idle_dispatcher_is_unhealthy_and_recovers_by_itself(project: Project) -> None:
    project.shell("docker compose stop redis")
    until(lambda: project.health("dispatcher") == "unhealthy", "the dispatcher is unhealthy")
    project.shell("docker compose start redis")
    for service in ("dispatcher", "worker"):
        until(lambda service=service: project.health(service) == "healthy", f"{service} is healthy again")
    for service in ("dispatcher", "worker"):
        assert not re.search(r"Traceback|CRITICAL", project.logs(service)), project.logs(service)[-3000:]
    assert "the dispatcher begins" in project.logs("dispatcher")


def test_everything_restarts_in_order_and_ends_with_status_0(project: Project) -> None:
    project.shell("docker compose stop")
    ends = {name: project.inspect(name)["State"]["ExitCode"] for name in ("api", "dispatcher", "worker")}
    assert ends == {"api": 0, "dispatcher": 0, "worker": 0}
    project.shell("docker compose up --detach --wait")


def test_the_password_changes_as_documented(project: Project) -> None:
    before = (project.folder / "secrets" / "database_password").read_text()
    project.run(documented("ALTER ROLE"))
    assert (project.folder / "secrets" / "database_password").read_text() != before
    assert project.health("worker") == "healthy"


def test_an_upgrade_replaces_one_service_after_the_other(project: Project) -> None:
    project.run(documented("run --rm migrate"))
    project.shell("docker compose up --detach --wait")


def test_a_backup_is_restored_into_an_empty_installation(project: Project, caller: Caller) -> None:
    def content() -> dict[str, list[str]]:
        pages = {path: caller.get(f"/v1/{path}")["items"] for path in ("tasks", "recommendations", "jobs")}
        return {path: sorted(item["id"] for item in items) for path, items in pages.items()}

    before = content()
    assert all(before.values())
    project.run(documented("artifacts-after.tar\n"))
    project.shell("docker compose down --volumes")
    checked = project.run(documented("for archive in before after"))
    assert "FAIL" not in checked
    assert re.search(r"artifacts\W+\d+ files are whole, by content", checked), checked
    assert content() == before
    owner = project.shell("docker compose exec -T api find /var/lib/ldnas/artifacts -not -user 10001")
    assert owner.strip() == ""
    again = caller.post("/v1/tasks", {"name": "after", "dataset": DIGITS, "repetitions": 1})
    assert caller.ended(f"/v1/tasks/{again['id']}")["state"] == "succeeded"


def test_postgresql_17_is_upgraded_to_18_by_dump_and_restore(project: Project, caller: Caller) -> None:
    override = project.folder / "docker-compose.override.yml"
    project.run(documented("artifacts-after.tar\n"))
    project.shell("docker compose down --volumes")
    override.write_text("services: {postgres: {image: postgres:17-trixie}}\n")
    project.run(documented("for archive in before after"))
    assert "17." in project.shell("docker compose exec -T postgres postgres --version")
    before = sorted(task["id"] for task in caller.get("/v1/tasks")["items"])
    script = documented("backup/upgrade.dump").text
    project.shell(script.replace("# now write the new release", f"rm {override.name} # now write the new release"))
    assert "18." in project.shell("docker compose exec -T postgres postgres --version")
    assert sorted(task["id"] for task in caller.get("/v1/tasks")["items"]) == before
    project.shell("docker compose exec -T api ldnas doctor --deep")


def test_torch_can_come_from_an_index_of_its_own(project: Project) -> None:
    """Of all wheels here, pip's own: an index for processors alone cannot be reached from every machine."""
    pip = "from pip._internal.configuration import Configuration as C; from pip._internal.models.index import PyPI"
    ask = "c = C(isolated=False); c.load(); print(dict(c.items()).get('global.index-url', PyPI.simple_url))"
    index = f'$(docker run --rm python:3.13.14-slim-trixie python3 -c "{pip}; {ask}")'
    arguments = f"--build-arg DEVICE=cpu --build-arg TORCH_INDEX={index}"
    built = project.shell(
        f"docker build --progress plain --file Dockerfile.worker {arguments} --tag ldnas-worker-index ."
    )
    assert re.search(r'--index-url "?http', built)
    shown = project.shell("docker history --no-trunc --format '{{.CreatedBy}}' ldnas-worker-index")
    assert "/wheels/" in shown
    program = "import torch, torchvision, ldnas.space.network; print(torch.cuda.is_available())"
    assert project.shell(f"docker run --rm ldnas-worker-index python -c '{program}'").split()[-1] == "False"
    assert project.image("ldnas-worker-index")["Size"] <= LARGEST_BYTES
    project.shell("docker image rm ldnas-worker-index")


def test_down_keeps_the_data_and_with_volumes_removes_it(project: Project) -> None:
    project.shell("docker compose down")
    assert project.containers() == {}
    volumes = "docker volume ls --quiet --filter label=com.docker.compose.project=ldnas"
    assert {"ldnas_data", "ldnas_database"} <= set(project.shell(volumes).split())
    project.shell("docker compose down --volumes")
    assert project.shell(volumes).split() == []
