"""Builds a search strategy by name."""

from collections.abc import Callable, Mapping
from typing import Any

from ldnas.search.base import Strategy
from ldnas.search.darts import Darts, DartsConfig
from ldnas.search.enas import Enas, EnasConfig
from ldnas.search.evolution import Evolution, EvolutionConfig
from ldnas.search.fuse import Fuse, FuseConfig
from ldnas.search.names import require_settings
from ldnas.search.pc_darts import PcDarts, PcDartsConfig
from ldnas.search.random import RandomSearch, RandomSearchConfig
from ldnas.search.random_sharing import RandomSharing, RandomSharingConfig


def build_strategy(
    name: str,
    *,
    candidates: int | None = None,
    rounds: int | None = None,
    batch_size: int | None = None,
) -> Strategy:
    """Build the strategy of that name; a setting that is None is the strategy's own default.

    Args:
        candidates: networks of one iteration.
        rounds: FUSE's rounds; the epochs of a network in `random` and `evolution`.
        batch_size: training images per weight step; every strategy takes it.

    Raises:
        UnknownStrategyError: no strategy has that name.
        InvalidSearchError: the strategy does not take a setting, or not that value of it.
    """
    given = dict(require_settings(name, candidates=candidates, rounds=rounds))
    if batch_size is not None:
        given["batch_size"] = batch_size
    return _BUILDERS[name](given)


def _epochs(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with `rounds` renamed to `epochs`, for strategies that train each network for that many epochs."""
    return {"epochs" if setting == "rounds" else setting: value for setting, value in given.items()}


def _evolution(given: Mapping[str, Any]) -> EvolutionConfig:
    # At most the whole population can join in one iteration, so more candidates enlarge the population too.
    population = max(EvolutionConfig.population, given.get("candidates", 0))
    return EvolutionConfig(population=population, **_epochs(given))


_BUILDERS: dict[str, Callable[[Mapping[str, Any]], Strategy]] = {
    "fuse": lambda given: Fuse(FuseConfig(**given)),
    "random": lambda given: RandomSearch(RandomSearchConfig(**_epochs(given))),
    "random_sharing": lambda given: RandomSharing(RandomSharingConfig(**given)),
    "enas": lambda given: Enas(EnasConfig(**given)),
    "darts": lambda given: Darts(DartsConfig(**given)),
    "darts_second_order": lambda given: Darts(DartsConfig(**given, order=2)),
    "pc_darts": lambda given: PcDarts(PcDartsConfig(**given)),
    "evolution": lambda given: Evolution(_evolution(given)),
}
