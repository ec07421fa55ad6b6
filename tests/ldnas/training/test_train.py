"""Fitting and measuring: the figures by hand, the resumption to the bit."""

import copy
from itertools import chain

import pytest
import torch
from torch import nn

from ldnas.data.task_data import ImageSet
from ldnas.networks.build import build_network
from ldnas.training.augmentation import Augmentation
from ldnas.training.train import (
    FitState,
    TrainConfig,
    class_weights,
    evaluate,
    evaluate_logits,
    fit,
    iterate_minibatches,
)


def striped_images(count: int, *, seed: int) -> ImageSet:
    """Two classes that a network can distinguish: bright upper or bright lower half, under noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    images = torch.randint(0, 100, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    for index, label in enumerate(labels):
        half = slice(0, 16) if label == 0 else slice(16, 32)
        images[index, :, half] += 120
    return ImageSet(images, labels)


def test_accuracies_are_those_counted_by_hand() -> None:
    labels = torch.tensor([0, 0, 0, 1])
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, 2.0]])
    result = evaluate_logits(logits, labels)
    assert result.accuracy == 3 / 4
    assert result.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert result.predictions.tolist() == [0, 0, 1, 1]
    # F1 of class 0: 2·2/(3+2); of class 1: 2·1/(1+2).
    assert result.macro_f1 == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert result.recall == pytest.approx((2 / 3, 1.0))
    wrong, right = torch.log1p(torch.exp(torch.tensor(2.0))), torch.log1p(torch.exp(torch.tensor(-2.0)))
    assert result.loss == pytest.approx(float(wrong + 3 * right) / 4, rel=1e-6)


def test_a_class_without_images_does_not_enter_balanced_accuracy() -> None:
    logits = torch.tensor([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    assert evaluate_logits(logits, torch.tensor([0, 1])).balanced_accuracy == 1.0


def test_a_constant_answer_has_the_balanced_accuracy_of_chance() -> None:
    logits = torch.tensor([[1.0, 0.0]] * 10)
    result = evaluate_logits(logits, torch.tensor([0] * 9 + [1]))
    assert result.accuracy == 0.9
    assert result.balanced_accuracy == 0.5


def test_a_network_learns_what_can_be_learned() -> None:
    network = build_network("small_cnn", classes=2, seed=0)
    fit(
        network,
        striped_images(64, seed=0),
        config=TrainConfig(epochs=6, batch_size=16, augmentation=Augmentation(shift_pixels=2)),
        seed=1,
    )
    assert evaluate(network, striped_images(40, seed=9)).accuracy > 0.95


def test_an_epoch_shows_every_image_once() -> None:
    images = ImageSet(torch.zeros(10, 3, 8, 8, dtype=torch.uint8), torch.arange(10))
    seen = torch.cat([labels for _, labels in iterate_minibatches(images, 4, torch.Generator().manual_seed(3))])
    assert sorted(seen.tolist()) == list(range(10))
    assert seen.tolist() != list(range(12))


def test_a_fit_that_resumes_from_a_checkpoint_ends_in_the_very_weights_of_an_unbroken_one() -> None:
    images = striped_images(48, seed=0)
    config = TrainConfig(
        epochs=4,
        batch_size=16,
        label_smoothing=0.1,
        augmentation=Augmentation(1, 10.0, 0.1, flip=True, colour=0.1, erased=0.3),
        averaged=0.2,
        class_weighting=1.0,
    )
    states: list[FitState] = []

    def remember(state: FitState) -> None:
        states.append(copy.deepcopy(state))

    unbroken = build_network("small_cnn", classes=2, seed=0)
    fit(unbroken, images, config=config, seed=7, on_epoch=remember)
    for state in states[:-1]:
        resumed = build_network("small_cnn", classes=2, seed=99)
        fit(resumed, images, config=config, seed=7, state=state)
        for name, tensor in unbroken.state_dict().items():
            assert torch.equal(tensor, resumed.state_dict()[name]), (state.epoch, name)


def test_a_step_is_that_of_the_optimizer_as_it_is_defined(monkeypatch: pytest.MonkeyPatch) -> None:
    images, config = striped_images(32, seed=0), TrainConfig(epochs=1, batch_size=16)
    fused, plain = (build_network("small_cnn", classes=2, seed=0) for _ in range(2))
    fit(fused, images, config=config, seed=1)
    original = torch.optim.AdamW
    monkeypatch.setattr(torch.optim, "AdamW", lambda *args, fused, **options: original(*args, foreach=False, **options))
    fit(plain, images, config=config, seed=1)
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(fused.state_dict()[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


def test_moments_in_another_order_of_memory_resume_too() -> None:
    images, config = striped_images(32, seed=0), TrainConfig(epochs=2, batch_size=16)
    states: list[FitState] = []
    unbroken, resumed = (build_network("small_cnn", classes=2, seed=0) for _ in range(2))
    fit(unbroken, images, config=config, seed=1, on_epoch=lambda state: states.append(copy.deepcopy(state)))
    moments = states[0].optimizer["state"]
    assert not moments[3]["exp_avg"].is_contiguous()
    for each in moments.values():
        each.update({kind: value.contiguous() for kind, value in each.items()})
    fit(resumed, images, config=config, seed=1, state=states[0])
    for name, tensor in unbroken.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_few_images_get_more_epochs_until_there_are_enough_steps() -> None:
    config = TrainConfig(epochs=3, batch_size=10, minimum_steps=20)
    assert config.epochs_for(20) == 10
    assert config.epochs_for(1000) == 3


def test_a_fit_ends_in_eval_mode() -> None:
    network: nn.Module = build_network("small_cnn", classes=2, seed=0)
    fit(network, striped_images(16, seed=0), config=TrainConfig(epochs=1, batch_size=8), seed=0)
    assert not any(module.training for module in network.modules())


def test_class_weights_by_hand() -> None:
    # Six images of class 0, three of class 2, none of class 1.
    labels = torch.tensor([0] * 6 + [2] * 3)
    assert class_weights(labels, 0.0).tolist() == [1.0, 0.0, 1.0]
    # 1/6 and 1/3, times 9 images over a sum of 2: each class weighs 4.5 in all.
    assert class_weights(labels, 1.0).tolist() == pytest.approx([0.75, 0.0, 1.5])
    # 6^-½ and 3^-½, times 9 over 6^½ + 3^½.
    scale = 9 / (6**0.5 + 3**0.5)
    assert class_weights(labels, 0.5).tolist() == pytest.approx([scale / 6**0.5, 0.0, scale / 3**0.5])


def test_parts_are_a_pass_over_every_image_in_several_epochs() -> None:
    """Each image is brighter than the last, so that its brightness is its number."""
    images = ImageSet(
        torch.arange(12, dtype=torch.uint8).reshape(12, 1, 1, 1).expand(12, 3, 32, 32).contiguous(),
        torch.arange(12) % 2,
    )
    seen: list[list[int]] = [[]]

    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3, 2)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            seen[-1].extend((127.5 * (inputs[:, 0, 0, 0] + 1)).round().long().tolist())
            logits: torch.Tensor = self.head(inputs.mean(dim=(2, 3)))
            return logits

    def end(state: FitState) -> None:
        seen.append([])

    config = TrainConfig(epochs=6, batch_size=2, augmentation=Augmentation())
    fit(Watching(), images, config=config, seed=0, parts=3, on_epoch=end)
    assert [len(epoch) for epoch in seen] == [4, 4, 4, 4, 4, 4, 0]
    assert sorted(chain(*seen[:3])) == sorted(chain(*seen[3:])) == list(range(12))
    assert seen[0] != seen[3]
