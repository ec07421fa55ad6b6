"""Strategies by name, and the settings that each takes."""

import subprocess
import sys

import pytest

from ldnas.digests import json_digest
from ldnas.errors import InvalidSearchError, UnknownStrategyError
from ldnas.search.names import SETTINGS, STRATEGIES, require_settings
from ldnas.search.strategies import build_strategy

WHERE_ROUNDS_GO = {"fuse": "rounds", "random": "epochs", "evolution": "epochs"}
HASHED_IN_0_1 = {
    "fuse": ("c337e66dd0ef2ab9", "e120750b2c3c454c"),
    "random": ("d14d346257ec5eb5", "bdbe0691236b5a32"),
    "random_sharing": ("d4b4279b84e74364", "d4b4279b84e74364"),
    "enas": ("e1bb51561b918718", "e1bb51561b918718"),
    "darts": ("92b1398a441d6464", "92b1398a441d6464"),
    "darts_second_order": ("0c0b7ebef4ab22de", "0c0b7ebef4ab22de"),
    "pc_darts": ("948ff8974d82f6f5", "948ff8974d82f6f5"),
    "evolution": ("cfdc1672826fdf27", "2a00fe7179499f50"),
}
"""The first digits of the digest of all settings: with a patience of 10 iterations, and without patience."""


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_name_builds_a_strategy_with_its_defaults(name):
    built = build_strategy(name)
    assert built.config == type(built.config)(**({"order": 2} if name == "darts_second_order" else {}))


@pytest.mark.parametrize("name", STRATEGIES)
def test_content_keys_hash_the_settings_that_version_0_1_hashed(name):
    strategy = build_strategy(name)
    digests = tuple(json_digest(strategy.settings(patience))[:16] for patience in (10, None))
    assert digests == HASHED_IN_0_1[name]


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
