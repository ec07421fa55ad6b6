"""Where jobs read from: uploaded datasets."""

from collections.abc import Callable
from typing import Any

import pytest

from worker.artifacts import open_store
from worker.registry.models import Job, JobState
from worker.registry.session import Engine, reading, unit_of_work
from worker.settings import Settings


@pytest.fixture
def upload(engine: Engine, settings: Settings) -> Callable[..., str]:
    """Keeps a file under a name, as the service does; gives its digest."""

    def keep(name: str, kind: str, content: bytes, **reference: str) -> str:
        digest = open_store(settings.artifact_url).put(content)
        columns: dict[str, Any] = {"kind": kind, "reference": reference, "sha256": digest, "bytes": len(content)}
        with unit_of_work(engine) as registry:
            registry.datasets.keep({digest: (len(content), "application/octet-stream")}, name=name, **columns)
        return digest

    return keep


def test_an_uploaded_zip_is_the_folder_that_it_was_made_of(
    engine: Engine, upload, stripes_zip: bytes, add_task, finish: Callable[[str], Job]
) -> None:
    upload("stripes", "zip", stripes_zip)
    jobs = [
        finish(add_task(name, repetitions=1, **data))
        for name, data in (("folder", {}), ("zip", {"dataset": {"uri": "dataset://stripes"}}))
    ]
    assert [job.state for job in jobs] == [JobState.SUCCEEDED] * 2
    with reading(engine) as registry:
        assert registry.tasks.get("folder").dataset_digest == registry.tasks.get("zip").dataset_digest
        # The second task's network is the first one's.
        assert [network.key for network in registry.tasks.networks("folder")] == [
            network.key for network in registry.tasks.networks("zip")
        ]


def test_a_file_that_is_gone_fails_the_job_with_words(
    upload, settings: Settings, stripes_zip: bytes, add_task, finish: Callable[[str], Job]
) -> None:
    open_store(settings.artifact_url).drop(upload("stripes", "zip", stripes_zip))
    for name in ("stripes", "nothing"):
        job = finish(add_task(name, dataset={"uri": f"dataset://{name}"}))
        assert job.state == JobState.FAILED
        assert job.error is not None
        assert (job.error["code"], job.error["field"]) == ("dataset_not_found", "dataset.uri")
