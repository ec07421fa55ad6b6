"""Keys, sessions and quotas, alike on SQLite and PostgreSQL."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import AsyncMock

import pytest
from sqlalchemy import text

from worker.errors import KeyNameTakenError, NotFoundError, QuotaExceededError
from worker.registry import (
    ANY_KEY,
    KEYS_OF_PREFIX,
    SESSIONS_OF_ID,
    ApiKeyRow,
    Engine,
    JobState,
    Question,
    QuickReader,
    Scope,
    reading,
    unit_of_work,
)


def make(engine: Engine, name: str, *, prefix: str = "ldnas_ab", quota: int | None = None) -> ApiKeyRow:
    with unit_of_work(engine) as registry:
        return registry.keys.insert(name=name, prefix=prefix, hash=f"hash of {name}", scope=Scope.WRITE, quota=quota)


def rows_of(engine: Engine, question: Question, **parameters: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in asyncio.run(QuickReader(engine).ask(question, **parameters))]


def active_of(engine: Engine, prefix: str = "ldnas_ab") -> list[str]:
    return [row[2] for row in rows_of(engine, KEYS_OF_PREFIX, prefix=prefix)]


def test_a_key_is_found_by_its_prefix_until_it_is_revoked(engine: Engine) -> None:
    first, _ = make(engine, "first"), make(engine, "second")
    assert sorted(active_of(engine)) == ["first", "second"]
    assert active_of(engine, "ldnas_") == []
    with unit_of_work(engine) as registry:
        assert registry.keys.revoke("first").revoked_at is not None
    assert active_of(engine) == ["second"]
    with unit_of_work(engine) as registry:
        again = registry.keys.revoke(first.id)
    with reading(engine) as registry:
        assert again.revoked_at == registry.keys.list()[0].revoked_at, "the moment stays that of the first time"
        assert registry.keys.any_active()


def test_a_name_is_free_again_once_its_key_is_revoked(engine: Engine) -> None:
    make(engine, "ci")
    with pytest.raises(KeyNameTakenError), unit_of_work(engine) as registry:
        registry.keys.insert(name="ci", prefix="p", hash="another", scope=Scope.READ)
    with unit_of_work(engine) as registry:
        registry.keys.revoke("ci")
        assert not registry.keys.any_active()
        registry.keys.insert(name="ci", prefix="p", hash="another", scope=Scope.READ)


def test_a_key_is_revoked_by_its_prefix_only_where_no_other_has_it(engine: Engine) -> None:
    make(engine, "first"), make(engine, "second"), make(engine, "third", prefix="ldnas_cd")
    for unclear in ("ldnas_ab", "ldnas_", "nobody"):
        with pytest.raises(NotFoundError), unit_of_work(engine) as registry:
            registry.keys.revoke(unclear)
    with unit_of_work(engine) as registry:
        assert registry.keys.revoke("ldnas_cd").name == "third"


def test_any_key_counts_even_a_revoked_one(engine: Engine) -> None:
    assert not rows_of(engine, ANY_KEY)
    make(engine, "first")
    with unit_of_work(engine) as registry:
        registry.keys.revoke("first")
    assert rows_of(engine, ANY_KEY)


def test_a_use_is_noted_coarsely(engine: Engine) -> None:
    key = make(engine, "first")

    def use() -> tuple[bool, float]:
        [(*_, stale)] = rows_of(engine, KEYS_OF_PREFIX, prefix="ldnas_ab")
        with unit_of_work(engine) as registry:
            registry.keys.note_use(key.id)
        with reading(engine) as registry:
            return bool(stale), registry.keys.list()[0].last_used_at

    stale, first = use()
    assert (stale, use()) == (True, (False, first))
    with engine.begin() as connection:
        connection.execute(text("UPDATE api_keys SET last_used_at = last_used_at - 601"))
    stale, later = use()
    assert stale
    assert later >= first


def test_a_session_ends_by_itself_by_leaving_and_with_its_key(engine: Engine) -> None:
    key = make(engine, "first")

    def named(id: str) -> list[str]:
        return [row[2] for row in rows_of(engine, SESSIONS_OF_ID, id=id)]

    with unit_of_work(engine) as registry:
        for id, seconds in (("over", -1.0), ("left", 60.0), ("open", 60.0)):
            opened = registry.keys.open_session(id=id, key_id=key.id, hash="h", seconds=seconds)
            assert opened.expires_at == pytest.approx(opened.created_at + seconds, abs=5)
    assert [named(id) for id in ("over", "left", "open")] == [[], ["first"], ["first"]]
    with unit_of_work(engine) as registry:
        registry.keys.end_session("left")
    assert [named(id) for id in ("left", "open")] == [[], ["first"]]
    with unit_of_work(engine) as registry:
        registry.keys.revoke(key.id)
    assert named("open") == []


def test_a_transaction_reads_what_the_quick_reader_reads(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    make(engine, "first")
    quick = rows_of(engine, KEYS_OF_PREFIX, prefix="ldnas_ab")
    monkeypatch.setattr(QuickReader, "ask_once", AsyncMock(return_value=None))
    assert rows_of(engine, KEYS_OF_PREFIX, prefix="ldnas_ab") == quick
    assert len(quick) == 1


def ask(engine: Engine, owner: str, kind: str = "recommend") -> str:
    with unit_of_work(engine) as registry:
        registry.keys.require_room(owner, 100)
        return registry.jobs.insert(kind, {}, owner=owner).id


def test_a_quota_counts_the_unfinished_recommendations_of_its_own_key(engine: Engine) -> None:
    mine, other = make(engine, "mine", quota=2), make(engine, "other")
    ask(engine, mine.id, "distances")
    first = ask(engine, mine.id)
    ask(engine, mine.id)
    with pytest.raises(QuotaExceededError, match="'mine' may have 2"):
        ask(engine, mine.id)
    ask(engine, other.id)
    ask(engine, "local")
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(first, worker="w", lease_seconds=60)
    with pytest.raises(QuotaExceededError):
        ask(engine, mine.id)
    with unit_of_work(engine) as registry:
        registry.leases.finish(first, job.attempt, {})
    ask(engine, mine.id)


def test_the_services_quota_holds_for_a_key_that_has_none_of_its_own(engine: Engine) -> None:
    key = make(engine, "first")
    for allowed, default in ((True, 1), (False, 0)):
        with unit_of_work(engine) as registry:
            if allowed:
                registry.keys.require_room(key.id, default)
            else:
                with pytest.raises(QuotaExceededError):
                    registry.keys.require_room(key.id, default)


def test_a_quota_is_not_overrun_by_requests_at_the_same_moment(engine: Engine) -> None:
    key = make(engine, "first", quota=3)

    def attempt(number: int) -> bool:
        try:
            ask(engine, key.id)
        except QuotaExceededError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        accepted = list(threads.map(attempt, range(16)))
    assert accepted.count(True) == 3
    with reading(engine) as registry:
        assert len(registry.jobs.list(state=JobState.QUEUED)) == 3


def test_one_idempotency_key_serves_two_owners(engine: Engine) -> None:
    ids = []
    for owner in ("one", "two"):
        with unit_of_work(engine) as registry:
            ids.append(registry.jobs.insert("recommend", {}, owner=owner, idempotency_key="k", request_hash=owner).id)
    with reading(engine) as registry:
        assert [registry.jobs.find_request(owner, "k", owner).id for owner in ("one", "two")] == ids
