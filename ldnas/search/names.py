"""The names of the search strategies and the settings that a request may give them (without torch)."""

from typing import Any

from ldnas.errors import InvalidSearchError, UnknownStrategyError

SETTINGS: dict[str, tuple[str, ...]] = {
    "fuse": ("candidates", "rounds"),
    "random": ("candidates", "rounds"),
    "random_sharing": ("candidates",),
    "enas": ("candidates",),
    "darts": (),
    "darts_second_order": (),
    "pc_darts": (),
    "evolution": ("candidates", "rounds"),
}
"""The settings of each strategy. `candidates` are the networks of one iteration; `rounds` are FUSE's rounds, and the
epochs that a network is trained for in `random` (if it survives) and in `evolution`."""

STRATEGIES = tuple(SETTINGS)


def require_strategy(name: str, *, field: str = "search.strategy") -> str:
    """The name itself, if it is known.

    Raises:
        UnknownStrategyError: no strategy has that name; the message lists the known ones.
    """
    if name not in SETTINGS:
        raise UnknownStrategyError(
            f"no search strategy is called {name!r}; known: {', '.join(STRATEGIES)}", field=field
        )
    return name


def require_settings(name: str, *, field: str = "search", **settings: Any) -> dict[str, Any]:
    """The given settings (those that are not None), if the strategy takes them.

    Raises:
        UnknownStrategyError: no strategy has that name.
        InvalidSearchError: the strategy does not take one of them; the message names it and lists the accepted ones.
    """
    taken = SETTINGS[require_strategy(name, field=f"{field}.strategy")]
    given = {setting: value for setting, value in settings.items() if value is not None}
    for setting in given:
        if setting not in taken:
            takes = f"it takes {' and '.join(taken)}" if taken else "it takes no settings"
            raise InvalidSearchError(f"{name} does not take {setting}; {takes}", field=f"{field}.{setting}")
    return given
