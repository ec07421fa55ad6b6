"""Where jobs read from: uploaded datasets."""

from collections.abc import Callable
from typing import Any

import pytest

from worker.artifacts import open_store
from worker.registry.models import Job, JobState
from worker.registry.session import Engine, unit_of_work
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


def test_an_uploaded_zip_is_the_folder_that_it_was_made_of(upload, stripes_zip: bytes, add_task, resolved) -> None:
    upload("stripes", "zip", stripes_zip)
    as_folder = resolved(add_task("folder"))
    as_zip = resolved(add_task("zip", dataset={"uri": "dataset://stripes"}))
    assert as_zip.dataset.digest == as_folder.dataset.digest
    assert as_zip.data_key == as_folder.data_key  # so their networks are the same ones


def test_a_file_that_is_gone_fails_the_job_with_words(
    upload, settings: Settings, stripes_zip: bytes, add_task, finish: Callable[[str], Job]
) -> None:
    open_store(settings.artifact_url).drop(upload("stripes", "zip", stripes_zip))
    for name in ("stripes", "nothing"):
        job = finish(add_task(name, dataset={"uri": f"dataset://{name}"}))
        assert job.state == JobState.FAILED
        assert job.error is not None
        assert (job.error["code"], job.error["field"]) == ("dataset_not_found", "dataset.uri")
