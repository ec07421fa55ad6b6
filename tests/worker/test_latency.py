"""The measured latency makes the final choice of the genotype."""

import pytest
import torch

from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import Skeleton, Stage
from worker.jobs.stages import latency
from worker.registry import GenotypeRow

SKELETON = Skeleton(8, 2, 4, (Stage(4, 1),))
MILLISECONDS = {"conv_7x1_1x7": 9.0, "sep_conv_5x5": 4.0, "sep_conv_3x3": 2.0, "identity": 1.0}


def row(primitive: str, accuracy: float) -> GenotypeRow:
    return GenotypeRow(genotype=Genotype((primitive,) * 6).to_json(), epochs=3, validation_accuracy=accuracy)


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[GenotypeRow]:
    """The chosen one first, then two that are out of order, the better one last."""
    monkeypatch.setattr(latency, "measure_latency_ms", lambda net, _: MILLISECONDS[net.genotype.primitives[0]])
    return [row("conv_7x1_1x7", 0.8), row("identity", 0.5), row("sep_conv_5x5", 0.9)]


@pytest.mark.parametrize(
    ("limit", "taken"), [(None, "conv_7x1_1x7"), (9.0, "conv_7x1_1x7"), (8.0, "sep_conv_5x5"), (3.0, "identity")]
)
def test_the_next_best_is_taken_while_a_network_is_over_the_limit(rows, limit, taken) -> None:
    found = latency.fast_enough(rows, SKELETON, limit, torch.device("cpu"))
    assert found.genotype.primitives[0] == taken
    assert found.latency_ms == (None if limit is None else MILLISECONDS[taken])
    assert (found.scored, found.warning) == (3, None)


def test_where_all_are_over_the_fastest_is_taken_with_a_warning(rows) -> None:
    found = latency.fast_enough(rows, SKELETON, 0.5, torch.device("cpu"))
    assert found.genotype.primitives[0] == "identity"
    assert found.latency_ms == 1.0
    assert found.warning is not None
    assert "the fastest of them takes 1.0 ms" in found.warning
