"""Asking for a webhook: the requests that are accepted, its state in answers, and the parts that no answer shows."""

import base64
import json
import re
from dataclasses import replace
from typing import Any

import httpx
import jsonschema
import pytest
from fastapi import FastAPI

from worker.registry import Engine, reading, unit_of_work
from worker.settings import Settings
from worker.specification import WebhookRequest

URL = "https://hooks.example.org/of/mine?token=t0p"
SECRET = "whsec_" + base64.b64encode(b"k3y" * 8).decode()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, remote_hosts=("hooks.example.org", "*.wild.org"))


@pytest.fixture
def body(task_body: dict[str, Any]) -> dict[str, Any]:
    return task_body | {"webhook": {"url": URL, "secret": SECRET}}


def end(engine: Engine, job_id: str) -> None:
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(job_id, worker="w", lease_seconds=60)
        assert job is not None
        registry.leases.finish(job_id, job.attempt, {})


def test_without_a_webhook_the_answer_says_null(http: httpx.Client, task_body: dict) -> None:
    assert http.post("/v1/recommendations", json=task_body).json()["webhook"] is None


def test_a_webhook_is_shown_from_the_first_answer_to_the_last(http: httpx.Client, body: dict, engine: Engine) -> None:
    asked = http.post("/v1/recommendations", json=body)
    assert asked.status_code == 202
    path = f"/v1/recommendations/{asked.json()['id']}"
    unknown = dict.fromkeys(("message_id", "last_status", "last_error", "next_attempt_at", "ended_at"))
    expected = {"host": "hooks.example.org", "state": "waiting", "attempts": 0, **unknown}
    assert asked.json()["webhook"] == http.get(path).json()["webhook"] == expected
    end(engine, asked.json()["job_id"])
    pending = http.get(path).json()["webhook"]
    assert pending["state"] == "pending"
    assert pending["message_id"].startswith("msg_")
    assert pending["next_attempt_at"] is not None
    with unit_of_work(engine) as registry:
        registry.webhooks.delivered(registry.webhooks.claim(60), 204)
    delivered = http.get(path).json()["webhook"]
    assert (delivered["state"], delivered["attempts"], delivered["last_status"]) == ("delivered", 1, 204)
    assert delivered["next_attempt_at"] is None
    assert delivered["ended_at"] is not None


def test_a_recommendation_that_is_cancelled_shows_its_message_at_once(http: httpx.Client, body: dict) -> None:
    asked = http.post("/v1/recommendations", json=body).json()
    cancelled = http.post(f"/v1/recommendations/{asked['id']}/cancel").json()
    assert (cancelled["state"], cancelled["webhook"]["state"]) == ("cancelled", "pending")


def test_the_webhook_is_not_deleted_with_its_recommendation(http: httpx.Client, body: dict, engine: Engine) -> None:
    asked = http.post("/v1/recommendations", json=body).json()
    end(engine, asked["job_id"])
    assert http.delete(f"/v1/recommendations/{asked['id']}").status_code == 204
    with unit_of_work(engine) as registry:
        assert registry.webhooks.claim(60) is not None


@pytest.mark.parametrize(
    "url",
    [
        *("https://other.example.org/a", "https://hooks.example.org.evil.org/", "https://hooks.example.org:8443/"),
        *("http://hooks.example.org/", "ftp://hooks.example.org/", "hooks.example.org", "https://wild.org/"),
        *("https://127.0.0.1/", "https://[::1]/", "https://me:pw@hooks.example.org/", "file:///etc/passwd"),
    ],
)
def test_a_url_that_is_not_reached_is_refused_by_its_field(http: httpx.Client, body: dict, url: str) -> None:
    refused = http.post("/v1/recommendations", json=body | {"webhook": {"url": url, "secret": SECRET}})
    assert (refused.status_code, refused.json()["code"]) == (422, "forbidden_webhook")
    assert [entry["field"] for entry in refused.json()["errors"]] == ["webhook.url"]
    assert "LDNAS_REMOTE_HOSTS" in refused.json()["detail"]
    assert http.get("/v1/recommendations").json()["items"] == []


def test_a_url_below_a_wildcard_is_accepted(http: httpx.Client, body: dict) -> None:
    body["webhook"]["url"] = "https://a.wild.org/hook"
    assert http.post("/v1/recommendations", json=body).json()["webhook"]["host"] == "a.wild.org"


def secret_of(number: int) -> str:
    return "whsec_" + base64.b64encode(b"x" * number).decode()


@pytest.mark.parametrize("number", [*range(24, 65)])
def test_a_secret_of_24_to_64_bytes_is_accepted_and_fits_the_schema(number: int) -> None:
    asked = {"url": URL, "secret": secret_of(number)}
    assert WebhookRequest.model_validate(asked).secret == secret_of(number)
    jsonschema.validate(asked, WebhookRequest.model_json_schema())


BAD_SECRETS = [
    *(secret_of(23), secret_of(65), secret_of(32).removeprefix("whsec_"), "whsec_", secret_of(32)[:-1], 7),
    *(secret_of(32) + "\n", secret_of(32).replace("=", "-"), secret_of(30) + "=", "whsec_" + "?" * 40, None),
]


@pytest.mark.parametrize("secret", BAD_SECRETS)
def test_another_secret_is_refused_by_its_field_and_not_repeated(http: httpx.Client, body: dict, secret: Any) -> None:
    refused = http.post("/v1/recommendations", json=body | {"webhook": {"url": URL, "secret": secret}})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert [entry["field"] for entry in refused.json()["errors"]] == ["webhook.secret"]
    assert "t0p" not in refused.text
    if isinstance(secret, str) and len(secret) > 10:
        assert secret.strip() not in refused.text
    if isinstance(secret, str) and secret.endswith("\n"):
        return  # the end of a line is the end of a text to Python's expressions, though not to JavaScript's
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"url": URL, "secret": secret}, WebhookRequest.model_json_schema())


@pytest.mark.parametrize("missing", ["url", "secret"])
def test_both_parts_are_needed(http: httpx.Client, body: dict, missing: str) -> None:
    del body["webhook"][missing]
    [entry] = http.post("/v1/recommendations", json=body).json()["errors"]
    assert entry["field"] == f"webhook.{missing}"


def test_the_secret_and_the_path_are_in_no_answer_and_no_other_table(
    http: httpx.Client, app: FastAPI, body: dict, engine: Engine
) -> None:
    asked = http.post("/v1/recommendations", json=body, headers={"Idempotency-Key": "k"})
    end(engine, asked.json()["job_id"])
    id, job_id, task_id = (asked.json()["id"], asked.json()["job_id"], asked.json()["target"]["task_id"])
    paths = [f"/v1/recommendations/{id}", f"/v1/recommendations/{id}/events", f"/v1/jobs/{job_id}", "/metrics"]
    paths += ["/v1/recommendations", "/v1/jobs", f"/v1/jobs/{job_id}/events", f"/v1/tasks/{task_id}", "/v1/tasks"]
    answers = [asked, http.post("/v1/recommendations", json=body, headers={"Idempotency-Key": "k"})]
    answers += [http.get(path) for path in paths]
    assert {answer.status_code for answer in answers} == {200, 202}
    with engine.connect() as connection:
        tables = [row[0] for row in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {table: str(connection.exec_driver_sql(f'SELECT * FROM "{table}"').all()) for table in tables}
    assert SECRET in rows.pop("webhooks")
    for text in [*(answer.text for answer in answers), *rows.values()]:
        assert SECRET.removeprefix("whsec_") not in text
        assert "t0p" not in text
    assert SECRET not in repr(WebhookRequest.model_validate(body["webhook"]))


def test_another_secret_under_one_idempotency_key_is_another_request(http: httpx.Client, body: dict) -> None:
    headers = {"Idempotency-Key": "k"}
    first = http.post("/v1/recommendations", json=body, headers=headers)
    assert http.post("/v1/recommendations", json=body, headers=headers).json()["id"] == first.json()["id"]
    body["webhook"]["secret"] = secret_of(32)
    assert http.post("/v1/recommendations", json=body, headers=headers).json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("ended", ["succeeded", "failed", "cancelled"])
def test_the_document_describes_the_message(http: httpx.Client, body: dict, engine: Engine, ended: str) -> None:
    document = http.get("/openapi.json").json()
    described = document["webhooks"][f"recommendation.{ended}"]["post"]
    named = {parameter["name"]: parameter["required"] for parameter in described["parameters"]}
    assert named == {"webhook-id": True, "webhook-timestamp": True, "webhook-signature": True}
    job_id = http.post("/v1/recommendations", json=body).json()["job_id"]
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(job_id, worker="w", lease_seconds=60)
        assert job is not None
        if ended == "succeeded":
            registry.leases.finish(job_id, job.attempt, {})
        elif ended == "failed":
            registry.leases.fail(job_id, job.attempt, {"code": "internal"})
        else:
            registry.leases.confirm_cancel(job_id, job.attempt)
    with reading(engine) as registry:
        delivery = registry.webhooks.status(job_id).delivery
    message = json.loads(delivery.body)
    schema = described["requestBody"]["content"]["application/json"]["schema"] | {"components": document["components"]}
    jsonschema.validate(message, schema, format_checker=jsonschema.FormatChecker())
    assert message["type"] == f"recommendation.{ended}"
    message["data"]["state"] = "running"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(message, schema)


def test_the_metrics_count_waiting_messages_and_how_attempts_ended(
    http: httpx.Client, body: dict, engine: Engine
) -> None:
    for _ in range(2):
        end(engine, http.post("/v1/recommendations", json=body | {"name": None}).json()["job_id"])
    with unit_of_work(engine) as registry:
        claimed = registry.webhooks.claim(60)
        assert claimed is not None
        registry.webhooks.delivered(claimed, 200)
    text = http.get("/metrics").text
    assert "ldnas_webhooks_pending 1.0" in text
    waited = re.search(r"^ldnas_oldest_due_webhook_seconds (\S+)$", text, re.MULTILINE)
    assert waited is not None
    assert 0 < float(waited[1]) < 300, "since the other message became due, some moments ago"
    assert 'ldnas_webhook_attempts_total{outcome="delivered"} 1.0' in text
    assert 'ldnas_webhook_attempts_total{outcome="given_up"} 0.0' in text, "exported also where it is 0"
