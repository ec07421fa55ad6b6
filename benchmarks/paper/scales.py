"""The cuts of each scale, fixed before any of its figures was looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.paper.tasks import CIFAR10, MNIST
from ldnas.recipe import Recipe, recipe_of


@dataclass(frozen=True)
class Deep:
    """Another network for the released program's figure, at a scale whose own is less deep than the paper's."""

    network: str
    repetitions: int
    seconds: float


@dataclass(frozen=True)
class Scale:
    """The sizes of one scale.

    Attributes:
        network: the architecture of Figure 1's networks.
        repetitions: of Figure 1.
        epsilon: one for all eight tasks; a network is an approximation from balanced validation accuracy 1-ε.
        train_images, validation_images: of a network of Figure 1, drawn once; None: all.
        epochs: of the product's training for `default` and `paper`, which share their networks.
        released_epochs: of the released program's training, by data set.
        samples, probe_images: M of `default` and `paper`, and images that fit a probe.
        seeds: of a table's rows.
        skeleton: of every search, without its classes.
        max_parameters: of a searched network, by task: the size of the paper's own LD-NAS row. None: no limit.
        search_images: training, validation and test images of a search, drawn once; None: all.
        search_seconds: device seconds of every search.
        final_epochs: most epochs of the final training, by the one recipe that all rows share.
        plain_width: channels of the first stage of VGG-16, ResNet-18 and DenseNet-121; 64 as published.
        balanced: the readings of Task 6: True, "anything else" cut to the other classes' size; False, all of it.
        row_seconds, genotype_seconds: what a unit of these takes.
        network_seconds: what a unit of Figure 1 takes, for each reading: measured at small scale, guessed at full.
        cuts: what the scale leaves out, for the report.
        deep: the network of `figure_1_released_code_deep`; None: no such figure.
        released_only: the released program's figure is all there is.
    """

    network: str
    repetitions: int
    epsilon: float
    train_images: int | None
    validation_images: int | None
    epochs: int
    released_epochs: Mapping[str, int]
    samples: int
    probe_images: int
    network_seconds: dict[str, float]
    seeds: int
    skeleton: dict[str, Any]
    max_parameters: dict[int, int | None]
    search_images: tuple[int | None, int | None, int | None]
    search_seconds: float
    final_epochs: int
    plain_width: int
    balanced: tuple[bool, ...]
    row_seconds: float
    genotype_seconds: float
    cuts: tuple[str, ...]
    deep: Deep | None = None
    released_only: bool = False

    def recipe(self, mode: str) -> Recipe:
        """A mode's recipe; all but the number of images is the mode's own."""
        samples = RELEASED_SAMPLES if mode == "released_code" else self.samples
        return replace(recipe_of(mode, self.network), samples=samples, probe_images=self.probe_images)


RELEASED_SAMPLES = 10_000
"""All test images, as in the released program."""


def _skeleton(image_size: int, *stages: tuple[int, int]) -> dict[str, Any]:
    """A skeleton without its classes; a stage is its channels and cells."""
    listed = [{"channels": channels, "cells": cells} for channels, cells in stages]
    return {"image_size": image_size, "stem_channels": stages[0][0], "stages": listed}


SCALES: dict[str, Scale] = {
    "small": Scale(
        network="small_cnn",
        repetitions=3,
        epsilon=0.5,
        train_images=4000,
        validation_images=2000,
        epochs=8,
        released_epochs={MNIST: 20, CIFAR10: 20},
        samples=1024,
        probe_images=2000,
        network_seconds={"paper": 35.0, "released_code": 60.0},
        seeds=3,
        skeleton=_skeleton(16, (16, 1), (32, 1), (64, 1)),
        max_parameters={3: None, 6: None},
        search_images=(2000, 1000, 5000),
        search_seconds=40.0,
        final_epochs=12,
        plain_width=16,
        balanced=(True,),
        row_seconds=60.0,
        genotype_seconds=45.0,
        cuts=(
            "a network of four convolutions (163,672 parameters without its head) in place of VGG-16",
            "4,000 training images a task, drawn once, in place of all",
            "`released_code`: 20 epochs in place of the released program's 50 (MNIST) and 100 (CIFAR-10)",
            "`default` and `paper`: 8 epochs of the product's training",
            "3 repetitions in place of 10",
            "ε = 0.5 for all eight tasks",
            "`default` and `paper` look with the same networks",
            "tables: images of 16 pixels, 2,000 to train on, 1,000 to choose by and at most 5,000 to test, drawn once",
            "tables: 40 processor seconds a search, VGG-16, ResNet-18 and DenseNet-121 at a quarter of their width",
            "tables: no limit on parameters, since none of these cells comes near the paper's",
            'tables: Task 6 with "anything else" cut to the size of the other classes only',
            "tables: 3 seeds",
            "`released_code_deep`: VGG-16 at a quarter of its width, 2 repetitions; added after the others were seen",
        ),
        deep=Deep("vgg16_narrow", repetitions=2, seconds=120.0),
    ),
    "full": Scale(
        network="vgg16",
        repetitions=10,
        epsilon=0.2,
        train_images=None,
        validation_images=None,
        epochs=15,
        released_epochs={MNIST: 50, CIFAR10: 100},
        samples=1024,
        probe_images=2000,
        network_seconds={"paper": 180.0, "released_code": 400.0},
        seeds=3,
        skeleton=_skeleton(32, (48, 2), (96, 2), (192, 2)),
        max_parameters={3: 2_280_000, 6: 3_020_000},
        search_images=(None, None, None),
        search_seconds=240.0,
        final_epochs=30,
        plain_width=64,
        balanced=(True, False),
        row_seconds=450.0,
        genotype_seconds=250.0,
        cuts=(
            "VGG-16 with batch norm (the paper's count of parameters is that without)",
            "`default` and `paper` look with the same networks",
            "tables: 3 seeds; 240 device seconds a search, in place of the paper's 200 iterations in 2 GPU days",
        ),
    ),
}

# What does a wider network change of `released_code_deep`? Added after the small scale's figures had been seen.
SCALES["wide"] = replace(
    SCALES["small"],
    deep=None,
    released_only=True,
    network="vgg16_half",
    repetitions=1,
    network_seconds={"released_code": 220.0},
    cuts=(
        "`released_code` only, VGG-16 at half of its width",
        "4,000 training images a task, drawn once, in place of all",
        "20 epochs in place of 50 (MNIST) and 100 (CIFAR-10)",
        "1 repetition in place of 10",
        "ε = 0.5 for all eight tasks",
    ),
)
