"""Datasets on an S3 server: from a baseline to the downloaded network, though the server is killed meanwhile."""

import io
import random
import zipfile
from pathlib import Path

import onnxruntime
import pytest

from tests.system.conftest import until
from tests.system.s3_server import S3Server
from tests.worker.authority import Authority

pytestmark = [pytest.mark.system, pytest.mark.long]

ACROSS = {"groups": [["across"]], "rest": True}
SMALLEST = {"search": {"candidates": 2, "rounds": 1}, "budget": {"iterations": 1}, "repetitions": 1}
PADDING_BYTES = 24_000_000
"""More than the sockets on the way keep of a server that was killed."""


@pytest.fixture
def padded_zip(stripes_zip: bytes) -> bytes:
    """The stripes, and a file of another kind that makes the download last."""
    content = io.BytesIO(stripes_zip)
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("notes.bin", random.Random(0).randbytes(PADDING_BYTES))
    return content.getvalue()


def test_a_killed_server_in_the_middle_of_a_download_costs_a_job_no_attempt(
    tmp_path: Path, padded_zip: bytes, start_up
) -> None:
    with S3Server(tmp_path, Authority(tmp_path), {"a b/stripes.zip": padded_zip}) as s3:
        up = start_up(tmp_path / "home", s3.settings)
        dataset = {"uri": "s3://scans/a%20b/stripes.zip"}

        s3.relay.pause_after(PADDING_BYTES // 2)
        task = up.register("three", dataset, repetitions=1)
        until(lambda: s3.relay.is_paused, "half of the file is there", 60)
        s3.kill()
        s3.relay.resume()
        log = up.home / "logs" / "worker.log"
        until(lambda: "the next try in" in log.read_text(), "the download has broken off", 60)
        s3.start()
        assert up.ended(f"/v1/tasks/{task['id']}")["state"] == "succeeded"
        job = up.get(f"/v1/jobs/{task['job_id']}")
        assert (job["attempt"], job["failures"]) == (1, 0)
        assert up.ends_of(task["job_id"]) == ["succeeded"]

        asked = up.recommend(dataset, labels=ACROSS, baselines=["three"], **SMALLEST)
        answer = up.ended(f"/v1/recommendations/{asked['id']}")
        assert (answer["state"], answer["error"]) == ("succeeded", None)
        assert answer["distances"][0]["task_id"] == task["id"]
        architecture = f"/v1/architectures/{answer['architecture']['id']}"
        for kind in ("code", "weights", "program", "onnx"):
            assert len(up.http.get(f"{architecture}/{kind}").raise_for_status().content) > 1000
        onnx = up.http.get(f"{architecture}/onnx").content
        onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
        assert list((up.home / "downloads").iterdir()) == []
