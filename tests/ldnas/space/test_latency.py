"""Latency tables: the sum that predicts, and the measurement, under a clock that shows the work done."""

import json

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from ldnas.space.genotype import Genotype
from ldnas.space.latency import measure_latency_ms, measure_latency_table
from ldnas.space.latency_table import LatencyTable
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import FULL_SPACE

SKELETON = Skeleton(8, 2, 4, (Stage(2 * 2, 0), Stage(4, 2), Stage(8, 1)))
MIXED = Genotype(("sep_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "identity", "avg_pool_3x3", "conv_7x1_1x7"))
CPU = torch.device("cpu")


@pytest.fixture
def working_clock():
    """A clock that only a layer moves on, by its multiply-adds in microseconds; its first runs are slow."""
    seconds, runs = [0.0], [0]

    def work(module, inputs, output):
        if isinstance(module, nn.Conv2d | nn.Linear):
            seconds[0] += 1e-6 * module.weight.numel() * output.numel() / output.shape[1]
        elif isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            seconds[0] += 1e-6 * output.numel()

    def clock():
        runs[0] += 1
        seconds[0] += 5.0 if runs[0] < 8 else 0.0  # a slow start, as of a device that wakes up
        return seconds[0]

    hook = register_module_forward_hook(work)
    yield clock
    hook.remove()


def test_a_prediction_is_the_base_and_a_term_for_every_edge_and_cell():
    stages = {"identity": (0.0, 0.0, 0.0), "sep_conv_3x3": (9.0, 0.5, 2.0), "max_pool_3x3": (9.0, 0.25, 0.125)}
    table = LatencyTable("a made device", SKELETON, 10.0, stages)
    genotype = Genotype(("sep_conv_3x3", "identity", "max_pool_3x3", "identity", "identity", "sep_conv_3x3"))
    # By hand: the first stage has no cell, the second two, the third one.
    assert table.predict_ms(genotype) == 10 + 2 * (2 * 0.5 + 2.0) + (2 * 0.25 + 0.125)
    assert LatencyTable.from_json(json.loads(json.dumps(table.to_json()))) == table


def test_the_prediction_of_a_measured_table_is_the_networks_latency_where_times_add_up(working_clock):
    table = measure_latency_table(SKELETON, FULL_SPACE, CPU, clock=working_clock)
    assert set(table.stage_ms) == set(FULL_SPACE.primitives)
    assert all(times[0] == 0 for times in table.stage_ms.values())
    for genotype in (MIXED, Genotype(("sep_conv_5x5",) * 6), Genotype(("identity",) * 6)):
        network = build_cell_network(genotype, SKELETON, seed=0).eval()
        measured = measure_latency_ms(network, SKELETON.image_size, clock=working_clock)
        assert table.predict_ms(genotype) == pytest.approx(measured, rel=0.05)
        assert measured > 1


def test_a_table_says_its_device_and_a_measurement_takes_one_image_in_eval_mode():
    seen = []

    class Spy(nn.Linear):
        def forward(self, inputs):
            seen.append(tuple(inputs.shape))
            return inputs

    ticks = iter(range(1000))
    assert measure_latency_ms(Spy(1, 1).eval(), SKELETON.image_size, clock=lambda: float(next(ticks))) == 1000.0
    assert set(seen) == {(1, 3, 8, 8)}
    table = measure_latency_table(SKELETON, FULL_SPACE, CPU)
    assert table.device.startswith("cpu")
    assert table.skeleton == SKELETON
