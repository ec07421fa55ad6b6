"""Who sends a request, and how soon a change of keys counts."""

import asyncio

import pytest

from service.api.errors import NoKeyError, WrongKeyError
from service.api.security import callers as callers_module
from service.api.security.callers import LOCAL, Caller, Callers
from service.api.security.tokens import draw_key, hash_of, prefix_of
from worker.registry import Engine, QuickReader, Scope, unit_of_work


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this machine is."""
    monkeypatch.setattr("worker.registry.quick_reader.PATIENCE_SECONDS", 60.0)


def make_key(engine: Engine, name: str) -> str:
    key = draw_key()
    with unit_of_work(engine) as registry:
        registry.keys.insert(name=name, prefix=prefix_of(key), hash=hash_of(key), scope=Scope.READ)
    return key


def revoke(engine: Engine, name: str) -> None:
    with unit_of_work(engine) as registry:
        registry.keys.revoke(name)


def who(callers: Callers, key: str | None = None) -> Caller:
    return asyncio.run(callers.identify({} if key is None else {"authorization": f"Bearer {key}"}))


@pytest.mark.parametrize("seconds", [0.0, 1000.0])
def test_a_key_counts_at_once_and_its_revocation_when_the_cached_answer_expires(
    engine: Engine, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers_module, "REMEMBERED_SECONDS", seconds)
    callers = Callers(engine, QuickReader(engine), "127.0.0.1")
    remembers = seconds > 0 and engine.dialect.name == "postgresql"
    assert who(callers) == LOCAL
    first = make_key(engine, "first")
    assert who(callers, first).name == "first"
    if remembers:
        assert who(callers) == LOCAL, "for a second no caller has to show the first key that was ever made"
    else:
        with pytest.raises(NoKeyError):
            who(callers)
    revoke(engine, "first")
    if remembers:
        assert who(callers, first).name == "first"
    else:
        with pytest.raises(WrongKeyError):
            who(callers, first)
    assert who(callers, make_key(engine, "second")).name == "second"
    with pytest.raises(WrongKeyError):
        who(Callers(engine, QuickReader(engine), "127.0.0.1"), first)


def test_a_wrong_key_is_not_remembered(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers_module, "REMEMBERED_SECONDS", 1000.0)
    callers = Callers(engine, QuickReader(engine), "0.0.0.0")
    key = draw_key()
    with pytest.raises(WrongKeyError):
        who(callers, key)
    with unit_of_work(engine) as registry:
        registry.keys.insert(name="late", prefix=prefix_of(key), hash=hash_of(key), scope=Scope.READ)
    assert who(callers, key).name == "late"
