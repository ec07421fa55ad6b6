"""The client's dataclasses have every field of the API's documents, of the same type, and outlast newer services."""

import copy
import dataclasses
import json
import pickle
from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from service.app import create_app
from service.client.documents import (
    answer,
    architecture,
    comparison,
    control,
    dataset,
    distances,
    evaluation,
    job,
    search,
    task,
    webhook,
)
from service.client.documents.part import Part, read
from worker.settings import Settings

MODULES = (answer, architecture, comparison, control, dataset, distances, evaluation, job, search, task, webhook)
KINDS = sorted(
    (
        kind
        for module in MODULES
        for kind in vars(module).values()
        if dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__
    ),
    key=lambda kind: kind.__name__,
)
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null", datetime: "instant"}
# What the client itself does not ask for, or reads as a plain mapping.
UNREAD = {
    *("CellGraph", "GraphEdge", "GraphNode", "DatasetSamples", "ClassSamples", "Sample", "Worker", "RunningJob", "Gpu"),
    *("Health", "Readiness", "DistanceJobs", "DistanceJob", "DistanceTarget", "Training", "Session", "Scope"),
    *("WebhookMessage", "EndedRecommendation"),  # what receivers are sent
}


def shape_of_schema(schema: dict[str, Any]) -> Any:
    """A JSON schema in few words; lists of alternatives are sets."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        return frozenset(map(shape_of_schema, schema["anyOf"]))
    if schema.get("type") == "array":
        return ("array", shape_of_schema(schema["items"] if "items" in schema else schema["prefixItems"][0]))
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return ("object", shape_of_schema(values) if isinstance(values, dict) and values else "anything")
    if schema.get("format") == "date-time":
        return "instant"
    return schema.get("type", "anything")


def shape_of_hint(hint: Any) -> Any:
    """A Python type in the same words."""
    if isinstance(hint, UnionType):
        return frozenset(map(shape_of_hint, get_args(hint)))
    if get_origin(hint) is tuple:
        return ("array", shape_of_hint(get_args(hint)[0]))
    if get_origin(hint) is dict:
        return ("object", shape_of_hint(get_args(hint)[1]))
    if hint is Any:
        return "anything"
    return PLAIN.get(hint) or hint.__name__


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The schemas of the API's OpenAPI document."""
    app = create_app(Settings.from_environment({"LDNAS_HOME": str(tmp_path_factory.mktemp("home"))}))
    document = app.openapi()
    app.state.resources.engine.dispose()
    return document["components"]["schemas"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_document_has_the_fields_of_the_api_and_their_types(kind: type[Part], schemas: dict[str, Any]) -> None:
    hints = get_type_hints(kind)
    ours = {field.name: shape_of_hint(hints[field.name]) for field in dataclasses.fields(kind)}
    properties = schemas[kind.__name__]["properties"]
    assert ours == {name: shape_of_schema(schema) for name, schema in properties.items()}


def test_every_document_that_the_api_answers_with_is_known(schemas: dict[str, Any]) -> None:
    known = {kind.__name__ for kind in KINDS} | UNREAD
    assert not [name for name in schemas if name not in known and not name.endswith(("Request", "_", "Network"))]


def test_no_field_hides_what_a_mapping_has() -> None:
    taken = {*dir(dict), "json"}
    assert not [(kind, field.name) for kind in KINDS for field in dataclasses.fields(kind) if field.name in taken]


SENT = {
    "id": "r1",
    "name": "primes",
    "created_at": "2026-11-25T12:00:00Z",
    "closest": {"name": "odd", "distance": 0.25, "new_figure": 7},
    "distances": [{"name": "odd", "interval": [0.1, 0.4], "others": {"logme": None}}, {"name": "loops"}],
    "test": {"seeds": [1, 2], "interval": None},
    "control": None,
    "a_field_of_tomorrow": {"x": [1]},
}


def test_a_document_is_typed_and_is_what_was_sent() -> None:
    found = read(answer.Recommendation, SENT)
    assert (found.closest.name, found.closest.distance) == ("odd", 0.25)
    assert found.created_at == datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert found.distances is not None
    assert (found.distances[0].interval, found.distances[1].interval) == ((0.1, 0.4), None)
    assert (found.test.seeds, found.control) == ((1, 2), None)
    assert read(answer.Recommendation, {"test": {"seeds": 3}}).test.seeds == 3
    assert found.json == SENT
    assert found == SENT
    assert found["closest"]["new_figure"] == 7
    assert found.get("a_field_of_tomorrow") == {"x": [1]}
    assert found.closest.json == SENT["closest"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.name = "other"  # type: ignore[misc]


def test_what_an_older_service_does_not_send_is_none_all_the_way_down() -> None:
    found = read(answer.Recommendation, {"id": "r1"})
    assert (found.name, found.distances, found.created_at) == (None, None, None)
    assert (found.search.forecast, found.target.digests.mapping, found.test.recall) == (None, None, None)


@pytest.mark.parametrize(
    "changed",
    [
        {"created_at": "yesterday"},
        {"created_at": 5},
        {"distances": {"as": "a mapping"}},
        {"distances": ["by name"]},
        {"closest": "odd"},
        {"verdict": "a_new_verdict", "state": "resting"},
        {"test": {"seeds": {"from": 1}, "interval": [0.1]}},
    ],
    ids=str,
)
def test_a_value_of_another_type_does_not_break_an_older_client(changed: dict[str, Any]) -> None:
    found = read(answer.Recommendation, SENT | changed)
    assert found.json == SENT | changed
    assert found.id == "r1"
    repr(found)


def test_a_document_can_be_copied_kept_and_shown_in_short() -> None:
    found = read(answer.Recommendation, SENT, origin=object())  # type: ignore[arg-type]
    for other in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert other == found
        assert other.closest.name == "odd"
    assert dataclasses.asdict(found)["closest"]["name"] == "odd"
    assert json.loads(json.dumps(found.json)) == SENT
    assert repr(found) == "Recommendation(id='r1', name='primes', created_at='2026-11-25T12:00:00Z')"
