"""Shell completion: offers names from the service, if it answers quickly."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress

from ldnas.networks.design import Kind
from ldnas.objectives import OBJECTIVES
from ldnas.recipe import MEASURES
from ldnas.search.names import STRATEGIES
from service.client import Client
from service.client.connection import DEFAULT_URL, json_of
from service.client.errors import ClientError
from worker.specification import RACE

# Users do not wait longer for a completion; a slow service offers none.
ANSWER_SECONDS = 0.7
# Only one page: with more tasks, users type a few more letters.
MOST = "100"

Complete = Callable[[str], list[tuple[str, str]]]


def of_tasks(incomplete: str) -> list[tuple[str, str]]:
    """Names of baselines and targets."""
    return _offered(incomplete, "/v1/tasks", lambda task: (task["name"], task["role"]))


def of_baselines(incomplete: str) -> list[tuple[str, str]]:
    """Names of baselines."""
    return _offered(incomplete, "/v1/tasks", lambda task: (task["name"], task["state"]), role="baseline")


def of_datasets(incomplete: str) -> list[tuple[str, str]]:
    """Names of uploaded datasets."""
    return _offered(incomplete, "/v1/datasets", lambda dataset: (dataset["name"], dataset["kind"]))


def of_dataset_uris(incomplete: str) -> list[tuple[str, str]]:
    """URIs of the built-in and the uploaded datasets."""
    builtin = [("builtin://digits", "1,797 scans")] if "builtin://digits".startswith(incomplete) else []
    return builtin + _offered(incomplete, "/v1/datasets", lambda dataset: (dataset["uri"], dataset["kind"]))


def of_architectures(incomplete: str) -> list[tuple[str, str]]:
    """Ids of finished networks."""
    return _offered(incomplete, "/v1/architectures", lambda found: (found["id"], found["name"]))


def of_measures(incomplete: str) -> list[str]:
    """Distance measures."""
    return [measure for measure in MEASURES if measure.startswith(incomplete)]


def of_strategies(incomplete: str) -> list[str]:
    """Search strategies, and the race."""
    return [strategy for strategy in (*STRATEGIES, RACE) if strategy.startswith(incomplete)]


def of_kinds(incomplete: str) -> list[str]:
    """Kinds of networks in a race."""
    return [kind.value for kind in Kind if kind.value.startswith(incomplete)]


def of_objectives(incomplete: str) -> list[str]:
    """Objectives of a search or a training."""
    return [name for name in OBJECTIVES if name.startswith(incomplete)]


def _offered(
    incomplete: str, path: str, describe: Callable[[dict[str, str]], tuple[str, str]], **query: str
) -> list[tuple[str, str]]:
    """The words that begin with the typed text, each with a remark; none if the service does not answer."""
    pairs = {word: remark for word, remark in map(describe, _items(path, query)) if word.startswith(incomplete)}
    return list(pairs.items())


def _items(path: str, query: dict[str, str]) -> Iterator[dict[str, str]]:
    url, key = os.environ.get("LDNAS_URL", DEFAULT_URL), os.environ.get("LDNAS_API_KEY")
    # An error message would appear in the middle of the line that the user types.
    with suppress(ClientError, LookupError, TypeError), Client(url, key, request_seconds=ANSWER_SECONDS) as client:
        answer = client.request("GET", path, repeat_seconds=0.0, params={"limit": MOST, **query})
        yield from json_of(answer)["items"]
