"""One request, followed through the logs of every process to its last stage."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import until

pytestmark = pytest.mark.system


def test_a_request_can_be_followed_to_its_last_stage(
    start_up: Callable[[Path, dict[str, str]], Any], tmp_path: Path, stripes_folder: Path, stripes: dict[str, Any]
) -> None:
    environment = {"LDNAS_DATASET_ROOTS": str(stripes_folder.parent), "LDNAS_LOG_FORMAT": "json"}
    up = start_up(tmp_path / "home", environment)
    up.http.headers["X-Request-Id"] = "a-task"
    task = up.register("three", stripes)
    del up.http.headers["X-Request-Id"]
    assert up.ended(f"/v1/jobs/{task['job_id']}")["state"] == "succeeded"
    worker_log = up.home / "logs" / "worker.log"
    until(lambda: "attempt 1 is over" in worker_log.read_text(), "the worker's last line on the job")
    lines = {
        name: [json.loads(line) for line in (up.home / "logs" / f"{name}.log").read_text().splitlines()]
        for name in ("api", "dispatcher", "worker")
    }
    followed = {name: [line for line in log if line.get("request_id") == "a-task"] for name, log in lines.items()}

    [asked] = followed["api"]
    assert (asked["method"], asked["route"], asked["status"]) == ("POST", "/v1/tasks", 202)
    assert any(line["message"].endswith("published") for line in followed["dispatcher"])
    runner = [line for line in followed["worker"] if line["logger"] == "worker.jobs.context"]
    assert [line["stage"] for line in runner if line["message"].endswith("begins")] == ["resolve", "fit", "search"]
    assert runner[-1]["message"].startswith("stage search took")
    began, *_, over = [line for line in followed["worker"] if line["logger"] == "worker.queue.tasks"]
    assert "attempt 1 of a register_task job begins" in began["message"]
    assert over["message"].endswith("attempt 1 is over")
    assert {line["job_id"] for name in ("dispatcher", "worker") for line in followed[name]} == {task["job_id"]}
    # No line that names the job lacks its ids.
    for log in lines.values():
        for line in log:
            if task["job_id"] in line["message"] and line["logger"].startswith("worker."):
                assert line["request_id"] == "a-task"
