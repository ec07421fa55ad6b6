"""Strategies by name, and the settings that each takes."""

import subprocess
import sys

import pytest

from ldnas.errors import InvalidSearchError, UnknownStrategyError
from ldnas.search.names import SETTINGS, STRATEGIES, require_settings
from ldnas.search.strategies import build_strategy

WHERE_ROUNDS_GO = {"fuse": "rounds", "random": "epochs", "evolution": "epochs"}


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_name_builds_a_strategy_with_its_defaults_and_the_clock_given(name):
    built = build_strategy(name, clock=lambda: 7.0)
    assert built.config == type(built.config)(**({"order": 2} if name == "darts_second_order" else {}))
    assert built.clock() == 7.0


def test_names_build_different_strategies():
    built = [build_strategy(name) for name in STRATEGIES]
    assert len({(type(strategy), strategy.config) for strategy in built}) == len(STRATEGIES)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("setting", ["candidates", "rounds"])
def test_a_strategy_takes_its_settings_and_refuses_the_others_by_name(name, setting):
    if setting in SETTINGS[name]:
        field = WHERE_ROUNDS_GO[name] if setting == "rounds" else setting
        assert getattr(build_strategy(name, **{setting: 12}).config, field) == 12
        return
    with pytest.raises(InvalidSearchError) as refusal:
        build_strategy(name, **{setting: 12})
    assert refusal.value.field == f"search.{setting}"
    takes = f"it takes {' and '.join(SETTINGS[name])}" if SETTINGS[name] else "it takes no settings"
    assert refusal.value.message == f"{name} does not take {setting}; {takes}"


def test_an_unknown_name_is_refused_with_the_list_of_the_known_ones():
    with pytest.raises(UnknownStrategyError) as refusal:
        build_strategy("annealing", candidates=4)
    assert refusal.value.field == "search.strategy"
    assert all(name in refusal.value.message for name in STRATEGIES)


def test_a_setting_of_none_was_not_given():
    assert require_settings("darts", candidates=None, rounds=None) == {}


def test_the_web_process_can_check_names_without_torch():
    code = "import sys, ldnas.search.names\nsys.exit(int('torch' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
