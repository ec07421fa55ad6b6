"""The client's documents are typed, are mappings of the JSON that was sent, and outlast newer and older services."""

import copy
import importlib
import json
import pickle
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from service import schemas
from service.client.documents import Recommendation, read
from service.client.errors import NoClientError
from service.schemas.base import Document
from service.schemas.jobs import Progress
from service.schemas.tasks import TaskSummary


def documents(kind: type[Document] = Document) -> Iterator[type[Document]]:
    """Every document of the API and of the client."""
    for document in kind.__subclasses__():
        yield document
        yield from documents(document)


def test_no_field_hides_what_a_mapping_has() -> None:
    for module in pkgutil.iter_modules(schemas.__path__, f"{schemas.__name__}."):
        importlib.import_module(module.name)
    assert TaskSummary in documents()
    taken = {*dir(dict), "json"}
    assert not [(kind, name) for kind in documents() for name in kind.model_fields if name in taken]


def test_a_document_that_was_made_here_is_a_mapping_of_what_it_would_send() -> None:
    progress = Progress(fraction=0.5)
    assert dict(progress) == {"fraction": 0.5, "eta_seconds": None, "message": None}
    assert (progress["fraction"], len(progress), "message" in progress, "code" in progress) == (0.5, 3, True, False)
    assert repr(progress) == str(progress) == "Progress(fraction=0.5)"


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


def test_a_document_is_typed_and_equals_the_json_that_was_sent() -> None:
    found = read(Recommendation, SENT)
    assert (found.closest.name, found.closest.distance) == ("odd", 0.25)
    assert found.created_at == datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert found.distances is not None
    assert (found.distances[0].interval, found.distances[1].interval) == ((0.1, 0.4), None)
    assert (found.test.seeds, found.control) == ((1, 2), None)
    assert read(Recommendation, {"test": {"seeds": 3}}).test.seeds == 3
    assert found.json == SENT
    assert found == SENT
    assert found["closest"]["new_figure"] == 7
    assert found.get("a_field_of_tomorrow") == {"x": [1]}
    assert found.closest.json == SENT["closest"]
    with pytest.raises(ValidationError, match="frozen"):
        found.name = "other"  # type: ignore[misc]


def test_what_an_older_service_does_not_send_is_none_all_the_way_down() -> None:
    found = read(Recommendation, {"id": "r1"})
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
    found = read(Recommendation, SENT | changed)
    assert found.json == SENT | changed
    assert found.id == "r1"
    repr(found)


class Nowhere:
    """A client that a copy must not have."""

    def load_network(self, architecture_id: str) -> Any:
        raise AssertionError(architecture_id)

    def __reduce__(self) -> Any:
        raise AssertionError("pickled")


def test_a_document_can_be_copied_kept_and_shown_in_short() -> None:
    found = read(Recommendation, SENT | {"architecture": {"id": "a1"}}, origin=Nowhere())
    for other in (copy.copy(found), copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert other == found
        assert other.closest.name == "odd"
        assert other.closest.json == SENT["closest"]
        with pytest.raises(NoClientError, match="this Recommendation is a copy"):
            other.load_network()
    assert found.model_dump()["closest"]["name"] == "odd"
    assert json.loads(json.dumps(found.json)) == found
    assert repr(found) == "Recommendation(id='r1', name='primes', created_at='2026-11-25T12:00:00Z')"


def test_a_copy_with_a_changed_field_has_it_in_its_json_too() -> None:
    found = read(Recommendation, SENT)
    assert found["name"] == "primes"
    changed = found.model_copy(update={"name": "odd"})
    assert (changed.name, changed["name"]) == ("odd", "odd")
    assert found.model_copy().json == SENT
