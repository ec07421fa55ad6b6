"""PC-DARTS: partial channels, the rest of α at the start, and what α learns."""

import pytest
import torch

from ldnas.errors import InvalidSearchError
from ldnas.search import weight_sharing as sharing
from ldnas.search.pc_darts import PcDarts, PcDartsConfig
from ldnas.space.supernet import MixedEdge

SEEDS = (1, 2, 3)


@pytest.mark.parametrize(("channels", "partial", "width"), [(8, 4, 2), (6, 4, 3), (8, 2, 4), (5, 4, 5)])
def test_one_channel_in_k_passes_through_the_operations_and_the_others_go_by_shuffled(channels, partial, width):
    edge = MixedEdge(("avg_pool_3x3",), channels, partial=partial)
    inputs = torch.randn(3, channels, 6, 6)
    groups = channels // width
    outputs = edge(inputs, torch.ones(1))
    # The shuffle puts channel i·width + j at j·groups + i.
    for channel in range(channels):
        came_out = outputs[:, channel % width * groups + channel // width]
        assert torch.equal(came_out, inputs[:, channel]) == (channel >= width)


def test_an_edge_of_partial_channels_has_the_fewer_weights():
    whole, partial = (
        sum(parameter.numel() for parameter in MixedEdge(("sep_conv_3x3",), 16, partial=k).parameters()) for k in (1, 4)
    )
    assert (whole, partial) == (9 * 16 + 16**2, 9 * 4 + 4**2)


def test_alpha_rests_while_the_weights_warm_up(planted_problem, run_search):
    strategy = PcDarts(PcDartsConfig(iterations=4, warm_up=2, partial=2, batch_size=64))
    weights = [record.edge_weights for record in run_search(strategy, planted_problem, 0).history]
    assert weights[0] == weights[1]
    assert len(set(weights)) == 3


def test_the_supernet_that_is_searched_has_partial_channels(planted_problem, run_search, monkeypatch):
    built = []
    build = sharing.build_supernet
    monkeypatch.setattr(
        sharing,
        "build_supernet",
        lambda *arguments, **options: (built.append(options["partial"]), build(*arguments, **options))[1],
    )
    run_search(PcDarts(PcDartsConfig(iterations=1, warm_up=0, partial=2)), planted_problem, 0)
    assert built == [2]


def test_it_finds_the_planted_cell_and_its_alpha_beats_a_shuffled_control(
    planted_problem, control_problem, planted_edges, run_search
):
    strategy = PcDarts(PcDartsConfig(iterations=10, warm_up=2, partial=2, batch_size=32))
    learnt = [run_search(strategy, planted_problem, seed) for seed in SEEDS]
    control = [run_search(strategy, control_problem, seed) for seed in SEEDS]
    assert [planted_edges(outcome.best) for outcome in learnt] == [6] * len(SEEDS)
    weights, chance = (
        torch.tensor([outcome.history[-1].edge_weights for outcome in outcomes])[..., 0].mean()
        for outcomes in (learnt, control)
    )
    assert weights > 0.65
    assert weights > chance + 0.15
    assert sum(planted_edges(outcome.best) for outcome in control) < 6 * len(SEEDS)


@pytest.mark.parametrize("wrong", [{"partial": 0}, {"warm_up": -1}, {"alpha_learning_rate": -1.0}])
def test_impossible_settings_are_refused_by_name(wrong):
    with pytest.raises(InvalidSearchError) as refusal:
        PcDartsConfig(**wrong)
    assert refusal.value.field == f"search.{next(iter(wrong))}"
