"""Where jobs read from: uploaded datasets."""

from collections.abc import Callable

from worker.registry import JobRow, JobState
from worker.settings import Settings
from worker.storage.artifacts import open_store


def test_an_uploaded_zip_is_the_folder_that_it_was_made_of(upload, stripes_zip: bytes, add_task, resolved) -> None:
    upload("stripes", "zip", stripes_zip)
    as_folder = resolved(add_task("folder"))
    as_zip = resolved(add_task("zip", dataset={"uri": "dataset://stripes"}))
    assert as_zip.dataset.digest == as_folder.dataset.digest
    assert as_zip.data_key == as_folder.data_key  # so their networks are the same ones


def test_a_file_that_is_gone_fails_the_job_with_words(
    upload, settings: Settings, stripes_zip: bytes, add_task, finish: Callable[[str], JobRow]
) -> None:
    open_store(settings).drop(upload("stripes", "zip", stripes_zip))
    for name in ("stripes", "nothing"):
        job = finish(add_task(name, dataset={"uri": f"dataset://{name}"}))
        assert job.state == JobState.FAILED
        assert job.error is not None
        assert (job.error["code"], job.error["field"]) == ("dataset_not_found", "dataset.uri")
