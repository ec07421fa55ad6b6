"""The picture of training images that a job stores for the task that it reads."""

import io

from PIL import Image

from worker.registry import JobState, reading
from worker.storage.artifacts import open_store


def test_a_task_that_was_read_has_a_picture_of_its_training_images(engine, settings, add_task, finish) -> None:
    assert finish(add_task("three")).state is JobState.SUCCEEDED
    with reading(engine) as registry:
        task = registry.tasks.find("three")
        artifact = registry.results.artifact(task.samples)
        assert registry.removable.owned([task.samples]) == {task.samples}
    assert artifact.media_type == "image/png"
    picture = Image.open(io.BytesIO(open_store(settings).read(task.samples)))
    assert picture.height * 8 == picture.width * len(task.class_names)
