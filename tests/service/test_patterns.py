"""A text that does not match a pattern is refused with the characters that are accepted, never with the pattern."""

from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from service.api.patterns import IN_WORDS
from service.dashboard.pages import PAGES
from worker.specification import webhook
from worker.specification.patterns import NAME_IN_WORDS


def patterns_in(value: Any) -> Iterator[str]:
    """Every `pattern` of a JSON schema, at any depth."""
    if isinstance(value, dict):
        if isinstance(value.get("pattern"), str):
            yield value["pattern"]
        yield from (found for item in value.values() for found in patterns_in(item))
    elif isinstance(value, list):
        yield from (found for item in value for found in patterns_in(item))


def test_every_pattern_of_the_api_and_of_the_dashboard_has_its_words(app: FastAPI) -> None:
    found = set(patterns_in(app.openapi()))
    for page in PAGES:
        for route in page.router.routes:
            assert isinstance(route, APIRoute)
            for parameter in get_flat_params(route.dependant):
                annotation = Annotated[parameter.field_info.annotation, parameter.field_info]
                found |= set(patterns_in(TypeAdapter(annotation).json_schema()))
    assert found - {webhook._SECRET} == IN_WORDS.keys()  # a secret has a validator, which does not repeat it


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/recommendations"])
def test_a_name_with_another_letter_is_refused_in_words(http: httpx.Client, task_body: dict, path: str) -> None:
    problem = http.post(path, json=task_body | {"name": "größe"}).json()
    assert problem["errors"] == [{"field": "name", "origin": None, "message": f"Accepted: {NAME_IN_WORDS}."}]
    assert "letters A to Z or a to z" in problem["detail"]
    assert "^" not in problem["detail"]


def test_a_column_and_a_filter_are_refused_in_words(http: httpx.Client, task_body: dict) -> None:
    dataset = {"uri": "builtin://digits", "label_column": "a\nb"}
    for answer in (
        http.post("/v1/tasks", json=task_body | {"dataset": dataset}),
        http.get("/tasks", params={"name": "a\nb"}, headers={"Accept": "application/json"}),
    ):
        assert "without line breaks and other control characters" in answer.json()["detail"]
