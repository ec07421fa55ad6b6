"""Chooses the recipe of the final training from facts about the data; it is the same for every strategy."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from ldnas.data.search_split import ENOUGH_IMAGES
from ldnas.data.task_data import ImageSet
from ldnas.intervals import wilson_interval
from ldnas.objectives import require_objective
from ldnas.training.augmentation import Augmentation
from ldnas.training.flip_test import is_colour, mirroring_keeps_class, recognises_mirrored
from ldnas.training.micro_batches import MicroBatches
from ldnas.training.train import TrainConfig

FEW_OF_A_CLASS = 100
"""A task with fewer training images per class than this, on average, has little data."""

IMBALANCED = 3.0
"""Data is imbalanced if the largest class has at least this many times the images of the smallest."""


@dataclass(frozen=True)
class DataFacts:
    """The facts that the recipe depends on.

    Attributes:
        class_images: training images of each class.
        validation_images: validation images in all.
        image_size: side of the images, in pixels.
        colour: whether any pixel is not grey.
        mirrors: whether a mirrored image keeps its class; grey images are never mirrored.
    """

    class_images: tuple[int, ...]
    validation_images: int
    image_size: int
    colour: bool
    mirrors: bool

    @property
    def images(self) -> int:
        return sum(self.class_images)

    @property
    def few(self) -> bool:
        """Little data: fewer than 100 training images per class in the mean."""
        return self.images < FEW_OF_A_CLASS * len(self.class_images)

    @property
    def imbalance(self) -> float:
        """Images of the largest class over those of the smallest, from 1."""
        return max(self.class_images) / max(1, min(self.class_images))


@dataclass(frozen=True, eq=False)
class Learned:
    """A network that has learned a task's images as they are, and the task's validation images at its size."""

    network: nn.Module
    validation: ImageSet


def data_facts(
    train: ImageSet,
    validation: ImageSet,
    *,
    classes: int,
    seed: int,
    learned: Learned | None = None,
    micro_batches: MicroBatches | None = None,
) -> DataFacts:
    """The facts of a task's training and validation images.

    For colour images a network checks whether they may be mirrored: `learned`, or a small one that is trained for it
    (`mirroring_keeps_class`). Grey images are mostly digits, letters and scans, and are not mirrored.
    """

    def mirrors() -> bool:
        if learned is not None:
            return recognises_mirrored(learned.network, learned.validation, micro_batches=micro_batches)
        return mirroring_keeps_class(train, validation, seed=seed, micro_batches=micro_batches)

    colour = is_colour(train)
    return DataFacts(
        class_images=tuple(torch.bincount(train.labels, minlength=classes).tolist()),
        validation_images=len(validation),
        image_size=train.images.shape[-1],
        colour=colour,
        mirrors=colour and mirrors(),
    )


def final_config(facts: DataFacts, *, objective: str = "accuracy", epochs: int | None = None) -> TrainConfig:
    """One-cycle AdamW with label smoothing, an averaged network and augmentation that fits the data.

    Little data (`DataFacts.few`) is rotated, scaled and partly erased too, and gets smaller batches and at least 600
    steps instead of 200. Under an objective that counts every class alike, every class has the same weight in the loss.
    `epochs` is an upper limit on the epochs, for a budget.

    Raises:
        UnknownObjectiveError: no objective of that name.
    """
    require_objective(objective)
    config = TrainConfig(
        epochs=15,
        minimum_steps=200,
        label_smoothing=0.1,
        weight_decay=5e-2,
        augmentation=_augmentation(facts),
        averaged=0.05,
        class_weighting=0.0 if objective == "accuracy" else 1.0,
        mixed_precision=True,
    )
    if facts.few:
        config = replace(config, batch_size=32, minimum_steps=600)
    if epochs is not None:
        config = replace(config, epochs=min(epochs, config.epochs_for(facts.images)), minimum_steps=0)
    return config


def warnings_of(facts: DataFacts, *, objective: str) -> tuple[str, ...]:
    """Warnings about the data for readers of the scores; empty if there are none."""
    warnings = []
    smallest = min(facts.class_images)
    if facts.few:
        warnings.append(
            f"little data: {facts.images} training images of {len(facts.class_images)} classes, {smallest} of the "
            f"smallest; {_uncertainty(facts.validation_images)}, and another draw of the images may lead to another "
            "architecture"
        )
    elif facts.validation_images < ENOUGH_IMAGES:
        warnings.append(f"few validation images: {_uncertainty(facts.validation_images)}")
    if not facts.few and smallest < FEW_OF_A_CLASS:
        warnings.append(f"the smallest class has only {smallest} training images; read its recall with its interval")
    if facts.imbalance >= IMBALANCED and objective == "accuracy":
        warnings.append(
            f"imbalanced data: the largest class has {facts.imbalance:.1f} times as many images as the smallest, and "
            "accuracy counts mostly the large classes; with the objective balanced_accuracy or macro_f1 every class "
            "counts alike"
        )
    return tuple(warnings)


def _uncertainty(images: int) -> str:
    """The uncertainty of a score on this many images: half of the widest 95 % interval, in points."""
    low, high = wilson_interval(0.5, images)
    return f"a score on {images} validation images is uncertain by up to {50 * (high - low):.0f} points (95 %)"


def _augmentation(facts: DataFacts) -> Augmentation:
    size = facts.image_size
    if facts.few:
        return Augmentation(
            shift_pixels=max(1, size // 12),
            rotation_degrees=12.0,
            zoom=0.15,
            flip=facts.mirrors,
            colour=0.2 if facts.colour else 0.0,
            erased=0.4,
        )
    return Augmentation(
        shift_pixels=max(1, size // 16),
        flip=facts.mirrors,
        colour=0.1 if facts.colour else 0.0,
        erased=0.4 if facts.colour else 0.0,
    )
