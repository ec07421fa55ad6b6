"""The client's calls reach the real application, and their answers are typed."""

import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from service.client import Client
from service.client.errors import (
    RequestRefusedError,
)

LABELS = {"groups": [[1, 3, 5, 7, 9]], "rest": True}
Answering = Callable[..., Client]


def test_a_recommendation_takes_every_setting_that_the_client_offers(client: Client) -> None:
    client.register_task("odd_or_even", {"uri": "builtin://digits"}, labels=LABELS)
    submission = client.recommend(
        "builtin://digits",
        name="primes",
        labels={"groups": [[2, 3, 5, 7]], "rest": True},
        network="small_cnn",
        epsilon=0.1,
        repetitions=2,
        require_approximation=True,
        measure="log_det",
        baselines=["odd_or_even"],
        image_size=16,
        budget={"iterations": 2},
        search={"strategy": "fuse", "candidates": 2},
        seed=5,
        priority=1,
    )
    document = client.get_recommendation(submission.id)
    assert (document["name"], document["state"]) == ("primes", "queued")
    assert [found["id"] for found in client.recommendations()] == [submission.id]


def test_a_study_is_asked_for_with_its_cells(client: Client) -> None:
    asked = client.register_task("odd_or_even", "builtin://digits", labels=LABELS, study={"cells": 2})
    assert asked.status()["params"]["study"] == {"cells": 2}


def test_a_race_is_asked_for_with_its_kinds(client: Client) -> None:
    race = {"strategy": "race"}
    assert client.recommend("builtin://digits", search=race, candidates=["plain", "cell"]).status()["state"] == "queued"
    with pytest.raises(RequestRefusedError) as caught:
        client.recommend("builtin://digits", search={"strategy": "fuse"}, candidates=["plain"])
    assert caught.value.problem["errors"][0]["field"] == "candidates"


def test_the_evaluation_of_an_unfinished_network_is_refused(client: Client) -> None:
    submission = client.recommend("builtin://digits")
    with pytest.raises(RequestRefusedError, match="is not evaluated yet") as caught:
        client.evaluation(submission.id)
    assert caught.value.problem["code"] == "not_evaluated"


def test_listings_are_followed_to_their_last_page(answering: Answering) -> None:
    pages = {None: {"items": [{"id": "a"}], "next": "a"}, "a": {"items": [{"id": "b"}], "next": None}}
    client = answering(lambda request: httpx.Response(200, json=pages[request.url.params.get("after")]))
    assert [task["id"] for task in client.tasks()] == ["a", "b"]


def test_the_client_and_the_command_line_need_only_httpx_pydantic_rich_and_typer() -> None:
    code = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "numpy", "fastapi", "uvicorn", "sqlalchemy", "celery"}:
            raise ModuleNotFoundError(f"blocked: {name}", name=name)
sys.meta_path.insert(0, Blocked())
import service.client, service.client.display.tables, service.client.display.answer, service.client.display.progress
from service.cli.command import main
sys.argv = ["ldnas", "migrate"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "pip install 'ldnas[service]'" in done.stderr
