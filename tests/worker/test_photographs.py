"""Photographs of mixed sizes are learned at their own size: the lines that distinguish the classes vanish at 32×32."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ldnas.data.load import load_dataset
from ldnas.data.preprocessing import PROXY, Preprocessing, default_image_size, to_tensor_images
from ldnas.data.reference import DatasetReference
from ldnas.training.final import final_config
from worker.jobs.stages import train
from worker.registry import Engine, JobRow, JobState, reading
from worker.settings import Settings

SIZES = ((200, 200), (224, 200), (200, 212), (236, 204), (204, 220), (260, 200))
"""Height and width, in pixels; every class has each as often."""
OF_A_CLASS = 36
PERIOD = 4
FRACTIONS = {"train": 0.5, "validation": 0.2, "test": 0.3}


@pytest.fixture
def photographs(settings: Settings) -> Path:
    """A folder of JPEG and PNG photographs: soft blotches of colour under fine lines, which lie or stand."""
    root = settings.dataset_roots[0] / "cloth"
    generator = np.random.default_rng(0)
    for name in ("lying", "standing"):
        (root / name).mkdir(parents=True)
        for number in range(OF_A_CLASS):
            height, width = SIZES[number % len(SIZES)]
            rows, columns = np.mgrid[0:height, 0:width]
            lines = (rows if name == "lying" else columns) + generator.integers(PERIOD)
            blotches = Image.fromarray(generator.integers(60, 160, (4, 4, 3), dtype=np.uint8))
            ground = np.asarray(blotches.resize((width, height), Image.Resampling.BICUBIC)).astype(float)
            picture = ground + 60 * (lines % PERIOD < PERIOD / 2)[..., None] + generator.normal(0, 8, ground.shape)
            image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
            file = root / name / f"{number:02}{'.png' if number % 2 else '.jpg'}"
            image.save(file, **({} if number % 2 else {"quality": 90}))
    return root


@pytest.fixture
def learn(
    engine: Engine, finish: Callable[[str], JobRow], add_recommendation: Callable[..., str], photographs: Path
) -> Callable[..., dict[str, Any]]:
    """The answer for the photographs, with a narrow network."""

    def ask(id: str, image_size: int | None) -> dict[str, Any]:
        request = {"constraints": {"max_macs": 8_000_000}}
        dataset = {"uri": photographs.as_uri(), "fractions": FRACTIONS}
        job = finish(add_recommendation(id, request=request, dataset=dataset, repetitions=1, image_size=image_size))
        assert job.state == JobState.SUCCEEDED, job.error
        with reading(engine) as registry:
            return registry.recommendations.get(id).document

    return ask


def test_the_size_is_by_default_near_that_of_the_photographs(photographs: Path) -> None:
    dataset = load_dataset(
        DatasetReference.from_json({"uri": photographs.as_uri()}), roots=[photographs], cache=photographs
    )
    assert {image.shape[:2] for image in dataset.images} == set(SIZES)
    # The longer sides are 200, 224, 212, 236, 220 and 260: their median is 222, and 192 is nearer than 256.
    assert default_image_size(dataset) == 192
    # At 32×32 the lines are gone: rows differ no more than columns do.
    small = to_tensor_images(dataset.images, PROXY)[:, :, 6:-6, 6:-6].float()
    across, down = small.diff(dim=2).abs().mean(dim=(1, 2, 3)), small.diff(dim=3).abs().mean(dim=(1, 2, 3))
    labels = np.asarray(dataset.labels)
    for class_index in (0, 1):
        assert across[labels == class_index].mean() == pytest.approx(float(down[labels == class_index].mean()), rel=0.2)
    large = to_tensor_images(dataset.images[:1], Preprocessing(192))[:, :, 24:-24, 24:-24].float()
    assert large.diff(dim=2).abs().mean() > 2 * large.diff(dim=3).abs().mean()


def test_at_their_size_the_classes_are_distinguished_and_at_32_pixels_they_are_not(
    learn: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "final_config", lambda *facts, **wishes: final_config(*facts, **{**wishes, "epochs": 8}))
    large = learn("large", None)  # without a size: that of the data
    assert large["target"]["image_size"] == large["architecture"]["skeleton"]["image_size"] == 192
    small = learn("small", 32)
    assert small["target"]["image_size"] == 32
    assert large["test"]["images"] == 22
    assert large["test"]["accuracy"] >= 0.85
    assert small["test"]["accuracy"] <= 0.75
