"""The recipe of the final training, and what a reader is warned of."""

import pytest
import torch

from ldnas.data.task_data import ImageSet
from ldnas.errors import UnknownObjectiveError
from ldnas.training.augmentation import Augmentation
from ldnas.training.final import DataFacts, data_facts, final_config, warnings_of


def facts(
    *class_images: int, validation: int = 200, colour: bool = False, mirrors: bool = False, image_size: int = 32
) -> DataFacts:
    return DataFacts(class_images, validation, image_size=image_size, colour=colour, mirrors=mirrors)


def test_facts_are_counted_from_the_images_and_grey_ones_are_not_mirrored() -> None:
    labels = torch.tensor([0, 0, 0, 2])
    images = ImageSet(torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8).expand(-1, 3, -1, -1), labels)
    found = data_facts(images, images.subset(torch.tensor([0, 3])), classes=3, seed=0)
    assert found == DataFacts((3, 0, 1), validation_images=2, image_size=8, colour=False, mirrors=False)
    assert (found.images, found.imbalance) == (4, 3.0)


def test_little_data_begins_below_100_images_of_a_class_in_the_mean() -> None:
    assert facts(60, 139).few
    assert not facts(60, 140).few


def test_little_data_takes_more_steps_and_is_turned_scaled_and_painted_over() -> None:
    few, many = (final_config(facts(count, count)) for count in (50, 500))
    assert (few.batch_size, few.minimum_steps) == (32, 600)
    assert (many.batch_size, many.minimum_steps) == (64, 200)
    assert few.augmentation == Augmentation(shift_pixels=2, rotation_degrees=12.0, zoom=0.15, erased=0.4)
    assert many.augmentation == Augmentation(shift_pixels=2)


@pytest.mark.parametrize("count", [50, 500])
def test_only_colour_is_recoloured_and_only_what_may_be_is_mirrored(count: int) -> None:
    grey = final_config(facts(count, count)).augmentation
    colour = final_config(facts(count, count, colour=True)).augmentation
    mirrored = final_config(facts(count, count, colour=True, mirrors=True)).augmentation
    assert (grey.colour, colour.colour > 0) == (0.0, True)
    assert (grey.flip, colour.flip, mirrored.flip) == (False, False, True)


def test_every_class_weighs_alike_in_the_loss_where_the_objective_says_so() -> None:
    weights = {name: final_config(facts(9, 1), objective=name).class_weighting for name in ("accuracy", "macro_f1")}
    assert weights == {"accuracy": 0.0, "macro_f1": 1.0}
    assert final_config(facts(9, 1), objective="balanced_accuracy").class_weighting == 1.0
    with pytest.raises(UnknownObjectiveError):
        final_config(facts(9, 1), objective="speed")


def test_epochs_are_an_upper_limit() -> None:
    # 100 images in batches of 32 are 4 steps: 600 steps are 150 epochs.
    few = facts(50, 50)
    assert final_config(few).epochs_for(100) == 150
    assert final_config(few, epochs=7).epochs_for(100) == 7
    assert final_config(few, epochs=400).epochs_for(100) == 150


def test_plenty_of_even_data_is_nothing_to_warn_of() -> None:
    assert warnings_of(facts(200, 599), objective="accuracy") == ()


def test_little_data_is_warned_of_with_its_counts() -> None:
    (warning,) = warnings_of(facts(30, 20, validation=30), objective="accuracy")
    assert "50 training images of 2 classes, 20 of the smallest" in warning
    # Wilson at one half: z / 2 / sqrt(n + z²) = 0.98 / sqrt(33.84) = 0.168.
    assert "30 validation images is uncertain by up to 17 points" in warning


def test_few_validation_images_are_warned_of_where_training_images_are_not_few() -> None:
    (warning,) = warnings_of(facts(200, 200, validation=199), objective="accuracy")
    assert "199 validation images is uncertain by up to 7 points" in warning
    small, rare = warnings_of(facts(20, 400, validation=60), objective="macro_f1")
    assert small.startswith("few validation images")
    assert "only 20" in rare


def test_a_small_class_among_large_ones_is_warned_of_by_itself() -> None:
    (warning,) = warnings_of(facts(99, 250), objective="macro_f1")
    assert "smallest class has only 99" in warning


def test_imbalanced_data_is_warned_of_under_accuracy_alone() -> None:
    imbalanced = facts(200, 600)
    (warning,) = warnings_of(imbalanced, objective="accuracy")
    assert "3.0 times as many" in warning
    assert warnings_of(imbalanced, objective="balanced_accuracy") == ()
