"""LogME against hand computations and against the evidence itself, maximised with dense matrices."""

import math

import numpy as np
import pytest
import torch
from scipy import optimize
from torch import Tensor

from ldnas.distance.logme import log_me

CONSTANT = 0.5 * math.log(2 * math.pi) + 0.5


def clusters(images: int, dimensions: int, *, noise: float = 1.0) -> tuple[Tensor, Tensor]:
    """Features around one random centre for each of three classes of unequal size."""
    generator = torch.Generator().manual_seed(images * dimensions)
    labels = torch.arange(images) % 7 % 3
    centres = torch.randn(3, dimensions, generator=generator, dtype=torch.float64)
    return centres[labels] + noise * torch.randn(images, dimensions, generator=generator, dtype=torch.float64), labels


def dense_log_me(features: Tensor, labels: Tensor) -> float:
    """y ~ N(0, β⁻¹·1 + α⁻¹·FFᵀ), its log density maximised over log α and log β from the best point of a grid."""
    gram = (features @ features.T).numpy()

    def negative_evidence(logs: np.ndarray, y: np.ndarray) -> float:
        covariance = np.exp(-logs[1]) * np.eye(len(y)) + np.exp(-logs[0]) * gram
        _, log_determinant = np.linalg.slogdet(covariance)
        return 0.5 * (log_determinant + y @ np.linalg.solve(covariance, y) + len(y) * np.log(2 * np.pi))

    evidences = []
    for label in labels.unique():
        y = (labels == label).double().numpy()
        grid = [np.array([a, b]) for a in np.linspace(-14, 12, 27) for b in np.linspace(-3, 9, 13)]
        start = min(grid, key=lambda logs, y=y: negative_evidence(logs, y))
        best = optimize.minimize(
            negative_evidence, start, (y,), "Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-11, "maxiter": 4000}
        )
        evidences.append(-best.fun / len(y))
    return float(np.mean(evidences))


def test_one_feature_has_the_evidence_computed_by_hand() -> None:
    # One feature f explains e = (f·y)²/‖f‖² of ‖y‖², R = ‖y‖² − e is left, and u = t/(t + ‖f‖²) with t = α/β. Where the
    # derivative of −N/2·log(R + e·u) + ½·log u is zero, u = R/(e·(N−1)); above 1 it stands for no weight at all.
    features, labels = torch.tensor([[1.0], [1.0], [1.0], [0.0]]), torch.tensor([0, 0, 1, 1])
    first = 0.5 * math.log(3 / (2 / 3)) + math.log(1 / 6) / 8 - CONSTANT  # e = 4/3, R = 2/3, u = 1/6
    second = 0.5 * math.log(4 / 2) - CONSTANT  # e = 1/3, R = 5/3, u = 5/3
    assert log_me(features, labels) == pytest.approx((first + second) / 2, abs=1e-12)


def test_features_that_distinguish_images_and_nothing_else_have_the_evidence_of_none() -> None:
    assert log_me(torch.eye(2), torch.tensor([0, 1])) == pytest.approx(0.5 * math.log(2) - CONSTANT, abs=1e-12)


@pytest.mark.parametrize(("images", "dimensions"), [(40, 6), (30, 29), (12, 40)])
def test_the_maximum_is_that_of_the_dense_evidence(images: int, dimensions: int) -> None:
    features, labels = clusters(images, dimensions)
    assert log_me(features, labels) == pytest.approx(dense_log_me(features, labels), abs=1e-6)


def test_the_highest_of_several_peaks_is_found() -> None:
    # Loud features that separate the classes poorly, and quiet ones that separate them well: where the prior holds
    # the quiet weights small, the loud ones alone are used, and that is a separate peak.
    loud, labels = clusters(80, 8, noise=4.0)
    quiet, _ = clusters(80, 3, noise=0.05)
    features = torch.cat([10 * loud, 0.01 * quiet], dim=1)
    assert log_me(features, labels) == pytest.approx(dense_log_me(features, labels), abs=1e-6)


def test_the_numbering_of_the_classes_does_not_matter() -> None:
    features, labels = clusters(40, 6)
    renumbered = torch.tensor([2, 0, 1])[labels]
    assert log_me(features, renumbered) == pytest.approx(log_me(features, labels), abs=1e-12)


def test_a_class_without_an_image_does_not_count() -> None:
    features, labels = clusters(40, 6)
    assert log_me(features, 5 * labels + 1) == log_me(features, labels)


def test_rotated_scaled_and_padded_features_have_the_same_evidence() -> None:
    features, labels = clusters(40, 6)
    rotation, _ = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    expected = pytest.approx(log_me(features, labels), abs=1e-7)
    assert log_me(features @ rotation, labels) == expected
    assert log_me(features * 1000, labels) == expected
    assert log_me(torch.cat([features, torch.zeros(40, 50)], dim=1), labels) == expected


def test_clearer_features_have_more_evidence() -> None:
    blurred, vague, clear = (log_me(*clusters(60, 5, noise=noise)) for noise in (10.0, 1.0, 0.1))
    assert blurred < vague < clear


def test_features_of_zeros_have_the_evidence_of_none() -> None:
    labels = torch.tensor([0, 0, 0, 1])
    null = (0.5 * math.log(4 / 3) + 0.5 * math.log(4 / 1)) / 2 - CONSTANT
    assert log_me(torch.zeros(4, 3), labels) == pytest.approx(null, abs=1e-12)
    assert log_me(torch.zeros(4, 0), labels) == pytest.approx(null, abs=1e-12)


def test_a_feature_without_a_word_on_the_classes_has_the_evidence_of_none() -> None:
    features = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])
    assert log_me(features, torch.tensor([0, 0, 1, 1])) == pytest.approx(0.5 * math.log(2) - CONSTANT, abs=1e-12)


def test_a_constant_feature_is_an_intercept() -> None:
    # e = N_y²/N and R = N_y − N_y²/N with N_y = 2 of N = 4: e = R = 1, u = 1/3 for both classes.
    expected = 0.5 * math.log(3 / 1) + math.log(1 / 3) / 8 - CONSTANT
    assert log_me(torch.full((4, 7), 0.3), torch.tensor([0, 1, 0, 1])) == pytest.approx(expected, abs=1e-10)


def test_labels_that_are_exactly_linear_have_great_but_finite_evidence() -> None:
    labels = torch.arange(20) % 2
    exact = torch.nn.functional.one_hot(labels).double()
    evidence = log_me(exact, labels)
    assert math.isfinite(evidence)
    assert evidence > log_me(exact + 0.01 * torch.randn(20, 2, generator=torch.Generator().manual_seed(0)), labels)


def test_one_class_alone_has_finite_evidence() -> None:
    assert math.isfinite(log_me(clusters(20, 4)[0], torch.zeros(20, dtype=torch.int64)))


def test_it_repeats_to_the_bit_and_takes_single_precision() -> None:
    features, labels = clusters(40, 6)
    assert log_me(features, labels) == log_me(features.clone(), labels)
    assert log_me(features.float(), labels) == pytest.approx(log_me(features, labels), abs=1e-6)


@pytest.mark.parametrize(("images", "labels"), [(0, 0), (3, 2)])
def test_features_without_a_label_each_are_refused(images: int, labels: int) -> None:
    with pytest.raises(ValueError, match=f"{images} rows of features and {labels} labels"):
        log_me(torch.zeros(images, 2), torch.zeros(labels, dtype=torch.int64))
