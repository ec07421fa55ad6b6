"""Task2Vec against hand computations, and the properties that it has by definition."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ldnas.distance.task2vec import task2vec_asymmetric, task2vec_embedding, task2vec_symmetric
from ldnas.fisher import FisherDiagonal


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


A, B = vector(1.0, 3.0), vector(3.0, 1.0)
ZERO = vector(0.0, 0.0)

embeddings = st.lists(st.floats(1e-12, 1e3) | st.just(0.0), min_size=3, max_size=3).map(lambda values: vector(*values))


def test_the_embedding_is_the_mean_of_each_filter_with_norms_by_channel_and_no_biases() -> None:
    blocks = {
        "conv.weight": torch.arange(8.0).reshape(2, 1, 2, 2),  # means of 0..3 and 4..7
        "conv.bias": torch.tensor([100.0, 100.0]),
        "norm.weight": torch.tensor([7.0, 9.0]),
        "norm.bias": torch.tensor([100.0, 100.0]),
        "linear.weight": torch.tensor([[1.0, 2.0, 6.0]]),
    }
    fisher = FisherDiagonal(blocks, samples=1, layers=tuple((name,) for name in blocks))
    assert task2vec_embedding(fisher).tolist() == [1.5, 5.5, 3.0, 7.0, 9.0]
    assert task2vec_embedding(fisher).dtype == torch.float64


def test_a_network_without_weights_is_refused() -> None:
    fisher = FisherDiagonal({"layer.bias": torch.ones(2)}, samples=1, layers=(("layer.bias",),))
    with pytest.raises(ValueError, match=r"weights alone, of layer\.bias"):
        task2vec_embedding(fisher)


def test_the_symmetric_distance_is_the_cosine_distance_of_the_shares() -> None:
    # Shares (1/4, 3/4) and (3/4, 1/4): cosine (3 + 3)/(1 + 9).
    assert task2vec_symmetric(A, B) == pytest.approx(1 - 6 / 10)


def test_a_filter_that_is_zero_in_both_counts_for_nothing() -> None:
    assert task2vec_symmetric(vector(1.0, 3.0, 0.0), vector(3.0, 1.0, 0.0)) == pytest.approx(1 - 6 / 10)


def test_small_fisher_information_is_compared_by_its_shares_as_well() -> None:
    # Shares (1/7, 3/5) and (6/7, 2/5), whatever the scale.
    first, second = vector(1.0, 3.0), vector(6.0, 2.0)
    expected = 1 - (6 / 49 + 6 / 25) / math.sqrt((1 / 49 + 9 / 25) * (36 / 49 + 4 / 25))
    assert task2vec_symmetric(first, second) == pytest.approx(expected)
    assert task2vec_symmetric(1e-15 * first, 1e-15 * second) == pytest.approx(expected)


def test_filters_that_never_matter_to_both_are_at_distance_one() -> None:
    assert task2vec_symmetric(vector(0.0, 2.0), vector(3.0, 0.0)) == pytest.approx(1)


def test_an_embedding_of_zeros_is_far_from_all_but_its_like() -> None:
    assert task2vec_symmetric(ZERO, ZERO) == 0.0
    assert task2vec_symmetric(ZERO, A) == task2vec_symmetric(A, ZERO) == 1.0


@given(embeddings)
def test_an_embedding_is_at_distance_zero_from_itself_to_the_bit(itself: Tensor) -> None:
    assert task2vec_symmetric(itself, itself) == 0.0


@given(embeddings, embeddings)
def test_the_symmetric_distance_is_symmetric_and_between_zero_and_one(first: Tensor, second: Tensor) -> None:
    distance = task2vec_symmetric(first, second)
    assert distance == task2vec_symmetric(second, first)
    assert 0 <= distance <= 1


@given(embeddings, st.floats(1e-3, 1e3))
def test_the_symmetric_distance_does_not_see_a_common_scale(embedding: Tensor, factor: float) -> None:
    assert task2vec_symmetric(embedding, embedding * factor) == pytest.approx(0, abs=1e-12)


def test_the_asymmetric_distance_takes_off_what_makes_the_source_complex() -> None:
    # Against t0 = (1, 1): shares of a (1/2, 3/4), of t0 (1/2, 1/4); cosine (1/4 + 3/16)/√((1/4 + 9/16)(1/4 + 1/16)).
    complexity = 1 - (7 / 16) / math.sqrt((13 / 16) * (5 / 16))
    assert task2vec_asymmetric(A, B) == pytest.approx(0.4 - 0.15 * complexity)


def test_the_asymmetric_distance_has_a_direction() -> None:
    uneven = vector(1.0, 9.0)
    assert task2vec_asymmetric(uneven, A) < task2vec_asymmetric(A, uneven)


def test_the_asymmetric_distance_to_itself_is_what_the_paper_says_and_not_zero() -> None:
    complexity = task2vec_symmetric(A, torch.ones(2, dtype=torch.float64))
    assert task2vec_asymmetric(A, A) == -0.15 * complexity < 0


def test_small_fisher_information_is_complex_by_how_uneven_it_is() -> None:
    small = 1e-9 * vector(1.0, 2.0, 3.0)
    unevenness = 1 - 2 / math.sqrt(14 / 3)
    assert task2vec_asymmetric(small, small) == pytest.approx(-0.15 * unevenness, rel=1e-6)


def test_an_embedding_of_zeros_is_as_simple_as_can_be() -> None:
    assert task2vec_asymmetric(ZERO, A) == 1.0
    assert task2vec_asymmetric(ZERO, ZERO) == 0.0


@given(embeddings, embeddings)
def test_the_asymmetric_distance_stays_in_its_range(source: Tensor, target: Tensor) -> None:
    assert -0.15 <= task2vec_asymmetric(source, target) <= 1


def test_networks_of_other_filters_are_refused() -> None:
    for distance in (task2vec_symmetric, task2vec_asymmetric):
        with pytest.raises(ValueError, match="3 in one network and 2 in the other"):
            distance(vector(1.0, 2.0, 3.0), A)
