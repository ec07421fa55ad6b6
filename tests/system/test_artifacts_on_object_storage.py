"""The whole service with its artifacts in a bucket: upload, baseline, recommendation, downloads, backup by bundle."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.conftest import UpService, until
from tests.system.s3_server import ALL_OF_THE_STORE, BUCKET, S3Server
from tests.worker.authority import Authority

pytestmark = [pytest.mark.system, pytest.mark.long]

ACROSS = {"groups": [["across"]], "rest": True}
SMALLEST = {"search": {"candidates": 2, "rounds": 1}, "budget": {"iterations": 1}, "repetitions": 1}


def forget_copies(up: UpService) -> None:
    shutil.rmtree(up.home / "artifact-copies", ignore_errors=True)


def ldnas(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "service.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_a_killed_server_costs_a_job_no_attempt_and_every_file_comes_from_the_bucket(
    tmp_path: Path, stripes_zip: bytes, start_up
) -> None:
    with S3Server(tmp_path, Authority(tmp_path), {}, ALL_OF_THE_STORE) as s3:
        up = start_up(tmp_path / "home", {**s3.settings, "LDNAS_ARTIFACT_URL": f"s3://{BUCKET}/ldnas"})
        up.http.put("/v1/datasets/stripes", content=stripes_zip).raise_for_status()
        forget_copies(up)
        task = up.register("three", {"uri": "dataset://stripes"}, repetitions=1)
        assert up.ended(f"/v1/tasks/{task['id']}")["state"] == "succeeded"

        forget_copies(up)
        asked = up.recommend({"uri": "dataset://stripes"}, labels=ACROSS, baselines=["three"], **SMALLEST)
        up.wait_for_stage(asked["job_id"], "search")
        s3.kill_and_keep()
        log = up.home / "logs" / "worker.log"
        until(lambda: "the next try in" in log.read_text(), "the job misses the server", 60)
        assert up.http.get("/readyz").status_code == 200
        assert up.http.get("/v1/datasets/stripes/samples").status_code == 503
        assert up.get(f"/v1/recommendations/{asked['id']}")["state"] == "running"
        s3.start()
        answer = up.ended(f"/v1/recommendations/{asked['id']}")
        assert (answer["state"], answer["error"]) == ("succeeded", None)
        job = up.get(f"/v1/jobs/{asked['job_id']}")
        assert (job["attempt"], job["failures"]) == (1, 0)

        forget_copies(up)
        architecture = f"/v1/architectures/{answer['architecture']['id']}"
        for kind in ("code", "weights", "program", "onnx"):
            file = up.http.get(f"{architecture}/{kind}").raise_for_status()
            digest = hashlib.sha256(file.content).hexdigest()
            assert file.headers["ETag"] == f'"{digest}"'
            key = f"ldnas/sha256/{digest[:2]}/{digest}"
            assert s3.client().get_object(Bucket=BUCKET, Key=key)["Body"].read() == file.content
            part = up.http.get(f"{architecture}/{kind}", headers={"Range": "bytes=10-19"})
            assert (part.status_code, part.content) == (206, file.content[10:20])
        assert s3.names("ldnas/checkpoints/") == []
        assert not (up.home / "artifacts").exists()

        findings = json.loads(ldnas(up.environment, "doctor", "--deep", "--json"))["findings"]
        found_by = {found["check"]: (found["level"], found["told"]) for found in findings}
        assert found_by["artifact store"] == ("ok", f"s3://{BUCKET}/ldnas can be listed, read and written")
        assert found_by["artifacts"][0] == "ok"
        assert found_by["artifacts"][1].endswith("files are whole, by content")

        # From the bucket to a folder and back, below another prefix.
        homes = {"folder": "", "bucket": f"s3://{BUCKET}/third"}
        source = up.environment
        for name, url in homes.items():
            bundle = tmp_path / f"for_{name}.ldnas"
            ldnas(source, "registry", "export", str(bundle))
            source = {**up.environment, "LDNAS_HOME": str(tmp_path / name), "LDNAS_ARTIFACT_URL": url}
            ldnas(source, "migrate")
            ldnas(source, "registry", "import", str(bundle))
        first, third = (
            {name.rpartition("/")[2] for name in s3.names(f"{place}/sha256/")} for place in ("ldnas", "third")
        )
        assert len(third) >= 2
        assert third <= first
