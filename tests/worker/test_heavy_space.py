"""The closest task's space holds heavy cells only, and the constraints admit none of them."""

from collections.abc import Callable
from typing import Any

import pytest

from ldnas.space.genotype import EDGES, Genotype
from ldnas.space.latency_table import LatencyTable
from ldnas.space.space import FULL_SPACE
from worker.jobs.stages import latency
from worker.registry import Engine, JobRow, JobState, reading, unit_of_work

HEAVY = Genotype(("sep_conv_5x5",) * len(EDGES))
PART = {"groups": [["across"]], "rest": True, "balance": False}


@pytest.fixture
def answer(
    engine: Engine,
    add_task: Callable[..., str],
    add_recommendation: Callable[..., str],
    finish: Callable[[str], JobRow],
) -> Callable[..., dict[str, Any]]:
    """The answer under these constraints, with one baseline, whose best genotype is `HEAVY`."""

    def ask(**constraints: float) -> dict[str, Any]:
        baseline = add_task("heavy", repetitions=1)
        with unit_of_work(engine) as registry:
            rows = [{"digest": HEAVY.digest, "genotype": HEAVY.to_json()}]
            kept = registry.results.store_search(HEAVY.digest, "given", rows)
            registry.task_results.link_genotypes("heavy", [row.id for row in kept])
        finish(baseline)
        request = {"constraints": constraints, "baselines": ["heavy"]}
        job = finish(add_recommendation("one", labels=PART, repetitions=1, request=request))
        assert job.state == JobState.SUCCEEDED, job.error
        with reading(engine) as registry:
            return registry.recommendations.get("one").document

    return ask


def require_full_space(found: dict[str, Any], limit: str) -> None:
    assert found["verdict"] == "closest"
    assert found["closest"]["name"] == "heavy"
    assert found["search_space"]["source_task_ids"] == []
    assert found["search_space"]["primitives"] == list(FULL_SPACE.primitives)
    assert found["search_space"]["fraction_of_full"] == 1
    [warning] = [text for text in found["warnings"] if "full space" in text]
    assert limit in warning


def test_parameters_that_no_cell_of_the_space_keeps_widen_it_to_the_full_one(answer) -> None:
    found = answer(max_parameters=3000)  # the narrowest network of heavy cells has 8,207
    require_full_space(found, "max_parameters of 3000")
    assert found["architecture"]["parameters"] <= 3000
    assert found["search_space"]["skeleton"] == found["architecture"]["skeleton"]


def test_a_latency_that_no_cell_of_the_space_keeps_widens_it_too(answer, monkeypatch: pytest.MonkeyPatch) -> None:
    def table(skeleton, space, device):
        slow = {
            name: (100_000.0 if name == "sep_conv_5x5" else 1.0,) * len(skeleton.stages) for name in space.primitives
        }
        return LatencyTable("a slow device", skeleton, 1.0, slow)

    monkeypatch.setattr(latency, "measure_latency_table", table)
    found = answer(max_latency_ms=10_000)
    require_full_space(found, "max_latency_ms of 10000")
    assert set(found["search"]["latency_table"]["stage_ms"]) == set(FULL_SPACE.primitives)
    assert found["architecture"]["latency_ms"] == found["search"]["latency_ms"] > 0


def test_limits_that_the_space_can_keep_leave_it_as_it_is(answer) -> None:
    found = answer(max_parameters=10_000)
    assert found["search_space"]["primitives"] == ["sep_conv_5x5"]
    assert not any("full space" in text for text in found["warnings"])
