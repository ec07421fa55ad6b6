"""Webhooks: each end of a job is sent at least once, alike on SQLite and PostgreSQL."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from worker.registry import (
    ClaimedDelivery,
    Engine,
    Happening,
    JobRow,
    WebhookDeliveryRow,
    WebhookStatus,
    reading,
    unit_of_work,
)
from worker.storage.cleaner import clean
from worker.storage.folder_store import FolderStore

SECRET = "whsec_" + "A" * 32
URL = "https://hooks.example.org:8443/of/mine?token=t0p"


def ask(engine: Engine, id: str = "r", *, url: str | None = URL) -> str:
    """Asks for a recommendation with a webhook, unless `url` is None; gives the id of its job."""
    with unit_of_work(engine) as registry:
        job = registry.jobs.insert("recommend", {"recommendation_id": id})
        registry.recommendations.insert(id=id, name="mine", job_id=job.id, task_id="t", request={}, document={})
        if url is not None:
            registry.webhooks.insert(job.id, url, SECRET)
    return job.id


def begin(engine: Engine, job_id: str) -> int:
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(job_id, worker="w", lease_seconds=60)
    assert job is not None
    return job.attempt


def end(engine: Engine, job_id: str, how: str = "succeeded") -> None:
    attempt = begin(engine, job_id)
    with unit_of_work(engine) as registry:
        if how == "succeeded":
            registry.leases.finish(job_id, attempt, {})
        elif how == "failed":
            registry.leases.fail(
                job_id, attempt, {"code": "too_few_images", "detail": "", "field": None, "origin": None}
            )
        else:
            registry.leases.confirm_cancel(job_id, attempt)


def claim(engine: Engine, lease_seconds: float = 60.0) -> ClaimedDelivery | None:
    with unit_of_work(engine) as registry:
        return registry.webhooks.claim(lease_seconds)


def claimed(engine: Engine, lease_seconds: float = 60.0) -> ClaimedDelivery:
    delivery = claim(engine, lease_seconds)
    assert delivery is not None
    return delivery


def status(engine: Engine, job_id: str) -> WebhookStatus:
    with reading(engine) as registry:
        found = registry.webhooks.status(job_id)
    assert found is not None
    return found


def last(engine: Engine, job_id: str) -> WebhookDeliveryRow:
    delivery = status(engine, job_id).delivery
    assert delivery is not None
    return delivery


@pytest.mark.parametrize("how", ["succeeded", "failed", "cancelled"])
def test_the_message_of_an_end_has_the_results_known_by_then(engine: Engine, how: str) -> None:
    job_id = ask(engine)
    known = {"verdict": "closest", "architecture": {"id": "a"}, "scale": {"self_distance": 1.0}}
    with unit_of_work(engine) as registry:
        registry.recommendations.get("r").document = known
    end(engine, job_id, how)
    with reading(engine) as registry:
        finished_at = registry.jobs.get(job_id).finished_at
    delivery = claimed(engine)
    assert (delivery.url, delivery.secret, delivery.attempt) == (URL, SECRET, 1)
    assert delivery.timestamp == pytest.approx(finished_at, abs=5)
    message = json.loads(delivery.body)
    assert datetime.fromisoformat(message.pop("timestamp")) == datetime.fromtimestamp(finished_at, UTC)
    assert message == {
        "type": f"recommendation.{how}",
        "data": {
            "id": "r",
            "job_id": job_id,
            "name": "mine",
            "state": how,
            "verdict": "closest",
            "architecture_id": "a",
            "error_code": "too_few_images" if how == "failed" else None,
            "path": "/v1/recommendations/r",
        },
    }
    assert claim(engine) is None, "an end has one message"


def test_a_job_that_ends_without_a_worker_gets_its_message_too(engine: Engine) -> None:
    cancelled, lost = ask(engine, "c"), ask(engine, "l")
    with unit_of_work(engine) as registry:
        registry.jobs.request_cancel(cancelled)
        registry.jobs.get(lost).max_attempts = 1
    begin(engine, lost)
    with unit_of_work(engine) as registry:
        registry.jobs.get(lost).lease_until = 0.0
    with unit_of_work(engine) as registry:
        assert registry.leases.sweep_expired() == [lost]
    job_ids = {claimed(engine).job_id: None, claimed(engine).job_id: None}
    assert set(job_ids) == {cancelled, lost}


def test_a_job_without_a_webhook_gets_no_message(engine: Engine) -> None:
    end(engine, ask(engine, url=None))
    with reading(engine) as registry:
        assert not registry.webhooks.is_due()


def test_an_end_and_its_message_are_committed_together_or_not_at_all(engine: Engine) -> None:
    job_id = ask(engine)
    attempt = begin(engine, job_id)

    def end_and_be_killed() -> None:
        with unit_of_work(engine) as registry:
            registry.leases.finish(job_id, attempt, {})
            assert registry.webhooks.is_due()
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        end_and_be_killed()
    with reading(engine) as registry:
        assert registry.jobs.get(job_id).state == "running"
        assert not registry.webhooks.is_due()


def test_the_second_end_of_a_job_that_is_tried_again_has_another_message(engine: Engine) -> None:
    job_id = ask(engine)
    end(engine, job_id, "failed")
    first = claimed(engine)
    with unit_of_work(engine) as registry:
        registry.webhooks.delivered(first, 200)
        registry.jobs.retry(job_id)
    end(engine, job_id)
    second = claimed(engine)
    assert second.id != first.id
    assert json.loads(second.body)["type"] == "recommendation.succeeded"
    assert second.secret == SECRET
    assert last(engine, job_id).id == second.id


def test_of_many_senders_at_once_one_takes_a_message(engine: Engine) -> None:
    jobs = [ask(engine, str(number)) for number in range(4)]
    for job_id in jobs:
        end(engine, job_id)
    with ThreadPoolExecutor(8) as threads:
        taken = [delivery for delivery in threads.map(lambda _: claim(engine), range(16)) if delivery is not None]
    # PostgreSQL's senders skip a message that another sender is just claiming; the next claim finds the rest.
    taken += iter(lambda: claim(engine), None)
    assert sorted(delivery.job_id for delivery in taken) == sorted(jobs)


def test_a_message_whose_sender_died_is_due_again_after_its_lease_under_the_same_id(engine: Engine) -> None:
    end(engine, ask(engine))
    first = claimed(engine, lease_seconds=60)
    assert claim(engine) is None
    with unit_of_work(engine) as registry:
        registry.webhooks.put_off(first, status=None, error="", seconds=-1)
    second = claimed(engine, lease_seconds=-1)
    third = claimed(engine)
    assert (first.id, first.body) == (second.id, second.body) == (third.id, third.body)
    assert (first.attempt, second.attempt, third.attempt) == (1, 2, 3)


def test_a_sender_that_comes_late_with_a_failure_changes_nothing_and_with_a_success_ends_it(engine: Engine) -> None:
    job_id = ask(engine)
    end(engine, job_id)
    late = claimed(engine, lease_seconds=-1)
    now = claimed(engine, lease_seconds=60)
    with unit_of_work(engine) as registry:
        registry.webhooks.put_off(late, status=500, error="late", seconds=-1)
        registry.webhooks.give_up(late, status=410, error="late")
    assert (last(engine, job_id).state, last(engine, job_id).last_status) == ("pending", None)
    with unit_of_work(engine) as registry:
        registry.webhooks.delivered(late, 204)
        registry.webhooks.give_up(now, status=500, error="after that")
    assert (last(engine, job_id).state, last(engine, job_id).last_status) == ("delivered", 204)


def test_outcomes_are_kept_and_counted(engine: Engine) -> None:
    job_id = ask(engine)
    end(engine, job_id)
    with reading(engine) as registry:
        queue = registry.figures.queue()
    assert queue.webhooks_pending == 1
    assert 0 <= queue.oldest_due_webhook_seconds < 60
    with unit_of_work(engine) as registry:
        registry.webhooks.put_off(claimed_in(registry), status=503, error="x" * 999, seconds=3600)
    found = last(engine, job_id)
    assert (found.state, found.attempts, found.last_status, found.last_error) == ("pending", 1, 503, "x" * 255)
    with reading(engine) as registry:
        queue = registry.figures.queue()
    assert (queue.webhooks_pending, queue.oldest_due_webhook_seconds) == (1, 0.0), "it waits, and is not due"
    with unit_of_work(engine) as registry:
        registry.webhooks.status(job_id).delivery.due_at = 0.0
    with unit_of_work(engine) as registry:
        registry.webhooks.give_up(claimed_in(registry), status=410, error="gone")
    found = last(engine, job_id)
    assert (found.state, found.attempts, found.last_status) == ("given_up", 2, 410)
    assert found.ended_at is not None
    with reading(engine) as registry:
        queue = registry.figures.queue()
    tallied = {row.label: row.occurrences for row in queue.tallies if row.name == Happening.WEBHOOK}
    assert tallied == {"failed": 1, "given_up": 1}
    assert queue.webhooks_pending == 0


def claimed_in(registry) -> ClaimedDelivery:
    delivery = registry.webhooks.claim(60)
    assert delivery is not None
    return delivery


def secrets_in(engine: Engine) -> list[str | None]:
    with engine.connect() as connection:
        return [*connection.execute(text("SELECT secret FROM webhooks")).scalars()]


def test_a_secret_is_forgotten_once_nothing_is_left_to_sign(engine: Engine) -> None:
    job_id = ask(engine)
    end(engine, job_id, "failed")
    first = claimed(engine)
    with unit_of_work(engine) as registry:
        registry.jobs.retry(job_id)
    end(engine, job_id)
    with unit_of_work(engine) as registry:
        registry.webhooks.delivered(claimed_in(registry), 200)
    assert secrets_in(engine) == [SECRET], "the first message is still tried"
    with unit_of_work(engine) as registry:
        registry.webhooks.delivered(first, 200)
    assert secrets_in(engine) == [None]


def test_a_job_that_may_be_tried_again_keeps_its_secret(engine: Engine) -> None:
    end(engine, ask(engine), "cancelled")
    with unit_of_work(engine) as registry:
        registry.webhooks.delivered(claimed_in(registry), 200)
    assert secrets_in(engine) == [SECRET]


def test_only_the_host_of_a_url_is_shown(engine: Engine) -> None:
    job_id = ask(engine)
    assert status(engine, job_id).host == "hooks.example.org:8443"
    end(engine, job_id)
    shown = repr(claimed(engine))
    assert "t0p" not in shown
    assert SECRET not in shown


def test_old_webhooks_are_removed_with_their_jobs_but_not_before_they_are_sent(engine: Engine, tmp_path) -> None:
    store = FolderStore(tmp_path / "artifacts")
    job_id = ask(engine)
    end(engine, job_id)
    with unit_of_work(engine) as registry:
        registry.recommendations.delete("r")
        registry.jobs.get(job_id).finished_at = 0.0
    removed = clean(engine, store, 3600.0)
    assert (removed.webhooks, removed.jobs) == (0, 0)
    with unit_of_work(engine) as registry:
        registry.webhooks.delivered(claimed_in(registry), 200)
    with reading(engine) as registry:
        assert registry.removable.count(registry.removable.before(3600.0), 0.0)["webhooks"] == 1
    removed = clean(engine, store, 3600.0)
    assert (removed.webhooks, removed.jobs) == (1, 1)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM webhook_deliveries")).scalar_one() == 0
        assert connection.execute(text(f"SELECT count(*) FROM {JobRow.__tablename__}")).scalar_one() == 0
