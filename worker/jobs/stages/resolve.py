"""resolve: reads the images of a reference and a mapping, with the digests that every later key contains."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from ldnas.data.contact_sheet import class_sheet
from ldnas.data.dataset import ImageDataset, Split, fingerprints
from ldnas.data.labels import LabelMapping
from ldnas.data.load import load_dataset
from ldnas.data.part import ENOUGH_IMAGES, part_of_each_class
from ldnas.data.preprocessing import PROXY, Preprocessing, default_image_size
from ldnas.data.reference import DatasetReference
from ldnas.data.shown_uri import shown_reference
from ldnas.data.task_data import ImageSet, TaskData, task_data, test_images
from ldnas.digests import json_digest
from ldnas.errors import ReferenceChangedError
from worker.jobs.context import JobContext
from worker.jobs.stages.sources import source_of
from worker.registry import TaskRow
from worker.settings import Settings


@dataclass(frozen=True, eq=False)
class ResolvedTask:
    """A task with its images: `proxy` for networks and distances, `full` for search and final training.

    `weights` names the uploaded file with the weights of its one network, if the client uploaded them.
    """

    id: str
    name: str
    reference: DatasetReference
    architecture: str
    weights: str | None
    epsilon: float
    repetitions: int
    seed: int
    image_size: int
    dataset: ImageDataset
    mapping: LabelMapping | None
    proxy: TaskData
    full: TaskData
    _resized: dict[int, TaskData] = field(default_factory=dict)

    @property
    def classes(self) -> int:
        return len(self.full.class_names)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about the images that a reader of the results should know."""
        sentences = [f"about the images: {warning}" for warning in self.dataset.warnings]
        wide_values = self.dataset.wide_values
        if wide_values is not None and wide_values.warning is not None:
            sentences.append(wide_values.warning)
        return tuple(sentences)

    @property
    def data_key(self) -> str:
        """The key of the task's images for distances."""
        return json_digest(asdict(self.proxy.digests))

    @property
    def search_data_key(self) -> str:
        """The key of the task's images for search and final training."""
        return json_digest(asdict(self.full.digests))

    def images_at(self, image_size: int) -> TaskData:
        """The training and validation images with another side, in pixels."""
        if image_size == self.image_size:
            return self.full
        if image_size not in self._resized:
            self._resized[image_size] = task_data(self.dataset, self.mapping, Preprocessing(image_size))
        return self._resized[image_size]

    def judging_images(self, image_size: int) -> ImageSet:
        """The validation images that networks of a race are judged by: at most `ENOUGH_IMAGES`."""
        return part_of_each_class(self.images_at(image_size).validation, ENOUGH_IMAGES, seed=self.seed)

    def read_test_images(self, image_size: int) -> ImageSet:
        """The test images with this side, in pixels; read once, when the finished network is scored."""
        return test_images(self.dataset, self.mapping, Preprocessing(image_size))


def resolve(context: JobContext, task_id: str) -> ResolvedTask:
    """Read the task's dataset, and record its digests and classes.

    Raises:
        RefusedError: the reference, the mapping or the images cannot be worked on.
        ReferenceChangedError: an earlier attempt of the job, or the task's registration, saw another content.
    """
    with context.reading() as registry:
        task = registry.tasks.get(task_id)
    mapping = LabelMapping.from_json(task.labels) if task.labels is not None else None
    reference = DatasetReference.from_json(task.dataset)
    dataset = read_dataset(context, task, reference)
    image_size = task.image_size or default_image_size(dataset)
    resolved = ResolvedTask(
        id=task.id,
        name=task.name,
        reference=reference,
        architecture=task.architecture or default_architecture(context.settings, context.compute.device),
        weights=task.weights,
        epsilon=task.epsilon,
        repetitions=task.repetitions,
        seed=task.seed,
        image_size=image_size,
        dataset=dataset,
        mapping=mapping,
        proxy=task_data(dataset, mapping, PROXY),
        full=task_data(dataset, mapping, Preprocessing(image_size)),
    )
    _record(context, resolved)
    return resolved


def read_dataset(context: JobContext, task: TaskRow, reference: DatasetReference) -> ImageDataset:
    """The dataset of the task, whose `reference` it is, unchanged since it was first read.

    Raises:
        RefusedError: the reference or the images cannot be worked on.
        ReferenceChangedError: the content behind the reference has changed.
    """
    with source_of(context, reference) as source:
        dataset = load_dataset(
            source.reference,
            roots=context.settings.dataset_roots,
            cache=context.settings.home / "torchvision",
            file=source.file,
        )
    _require_unchanged(task, reference, dataset)
    return dataset


def default_architecture(settings: Settings, device: torch.device) -> str:
    """The network that represents a task without a chosen network."""
    return settings.network or ("vgg16" if device.type == "cuda" else "small_cnn")


def target_document(task: ResolvedTask) -> dict[str, Any]:
    """The `target` of a recommendation."""
    return {
        "task_id": task.id,
        "dataset": shown_reference(replace(task.reference, value_range=task.dataset.value_range).to_json()),
        "labels": task.mapping.to_json() if task.mapping is not None else None,
        "classes": list(task.full.class_names),
        "class_counts": [asdict(count) for count in task.full.classes],
        **asdict(task.full.counts),
        "image_size": task.image_size,
        "digests": asdict(task.full.digests),
    }


def _require_unchanged(task: TaskRow, reference: DatasetReference, dataset: ImageDataset) -> None:
    if task.dataset_digest is not None and task.dataset_digest != dataset.digest:
        raise ReferenceChangedError(
            f"the images behind {reference.shown} are not those that this task began with "
            f"(digest {dataset.digest[:12]}…, was {task.dataset_digest[:12]}…); register the new content as a new "
            "task",
            field="dataset.uri",
            origin=reference.shown,
        )


def _record(context: JobContext, resolved: ResolvedTask) -> None:
    digests = resolved.proxy.digests
    counts = asdict(resolved.full.counts)
    seen = fingerprints(resolved.dataset, Split.TRAIN, Split.VALIDATION)
    seen_images = context.store.put(seen)
    sheet = class_sheet(resolved.full)
    samples = context.store.put(sheet)
    wide_values = resolved.dataset.wide_values
    with context.unit_of_work() as registry:
        registry.results.store_artifact(seen_images, len(seen), "application/octet-stream")
        registry.results.store_artifact(samples, len(sheet), "image/png")
        registry.tasks.resolve(
            resolved.id,
            architecture=resolved.architecture,
            dataset_digest=digests.dataset,
            mapping_digest=digests.mapping,
            preprocessing_digest=digests.preprocessing,
            class_names=list(resolved.full.class_names),
            counts=counts,
            class_counts=[asdict(count) for count in resolved.full.classes],
            seen_images=seen_images,
            samples=samples,
            value_range=None if wide_values is None else wide_values.value_range.to_json(),
        )
        story = {**counts, "left_out": resolved.dataset.left_out, "warnings": list(resolved.dataset.warnings)}
        if wide_values is not None:
            story["wide_values"] = wide_values.to_json()
        registry.leases.add_event(context.job_id, context.attempt, "resolved", story)
