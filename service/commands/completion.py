"""What the shell offers for a half-typed word: names that the service knows, where it answers at once."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress

from ldnas.objectives import OBJECTIVES
from ldnas.recipe import MEASURES
from ldnas.search.names import STRATEGIES
from service.client import Client
from service.client.connection import DEFAULT_URL, json_of
from service.client.errors import ClientError

# Nobody waits longer for a completion; a slow service offers nothing.
ANSWER_SECONDS = 0.7
# One page: who has more tasks types a few letters more.
MOST = "100"

Complete = Callable[[str], list[tuple[str, str]]]


def of_tasks(incomplete: str) -> list[tuple[str, str]]:
    """Baselines and targets by their names."""
    return _offered(incomplete, "/v1/tasks", lambda task: (task["name"], task["role"]))


def of_baselines(incomplete: str) -> list[tuple[str, str]]:
    """Baselines by their names."""
    return _offered(incomplete, "/v1/tasks", lambda task: (task["name"], task["state"]), role="baseline")


def of_datasets(incomplete: str) -> list[tuple[str, str]]:
    """Uploaded datasets by their names."""
    return _offered(incomplete, "/v1/datasets", lambda dataset: (dataset["name"], dataset["kind"]))


def of_dataset_uris(incomplete: str) -> list[tuple[str, str]]:
    """What a task can name its data by, as far as a list can tell."""
    builtin = [("builtin://digits", "1,797 scans")] if "builtin://digits".startswith(incomplete) else []
    return builtin + _offered(incomplete, "/v1/datasets", lambda dataset: (dataset["uri"], dataset["kind"]))


def of_architectures(incomplete: str) -> list[tuple[str, str]]:
    """Finished networks by their ids."""
    return _offered(incomplete, "/v1/architectures", lambda found: (found["id"], found["name"]))


def of_measures(incomplete: str) -> list[str]:
    """Measures of distance."""
    return [measure for measure in MEASURES if measure.startswith(incomplete)]


def of_strategies(incomplete: str) -> list[str]:
    """Search strategies."""
    return [strategy for strategy in STRATEGIES if strategy.startswith(incomplete)]


def of_objectives(incomplete: str) -> list[str]:
    """What a network can be chosen for."""
    return [name for name in OBJECTIVES if name.startswith(incomplete)]


def _offered(
    incomplete: str, path: str, told: Callable[[dict[str, str]], tuple[str, str]], **query: str
) -> list[tuple[str, str]]:
    """The words that begin as what was typed, each with a remark; none where the service does not answer."""
    pairs = {word: remark for word, remark in map(told, _items(path, query)) if word.startswith(incomplete)}
    return list(pairs.items())


def _items(path: str, query: dict[str, str]) -> Iterator[dict[str, str]]:
    url, key = os.environ.get("LDNAS_URL", DEFAULT_URL), os.environ.get("LDNAS_API_KEY")
    # An error message would land in the middle of the line that somebody types.
    with suppress(ClientError, LookupError, TypeError), Client(url, key, request_seconds=ANSWER_SECONDS) as client:
        answer = client.request("GET", path, repeat_seconds=0.0, params={"limit": MOST, **query})
        yield from json_of(answer)["items"]
