"""`/metrics`: numbers that Prometheus can read, about this process and about all."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from service.api.telemetry.metrics import SqlCollector
from service.app import create_app
from tests.deployment.monitoring import metrics_in, panel_expressions, rules
from tests.service.conftest import InProcess
from worker.registry import Engine, JobKind, unit_of_work
from worker.settings import Settings

Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


def numbers(text: str) -> Numbers:
    """Every sample by its name and labels; the parser refuses a text of another format."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert samples
    found = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
    assert len(found) == len(samples), "no sample occurs twice"
    return found


def of(found: Numbers, name: str, **labels: str) -> float:
    return found[(name, frozenset(labels.items()))]


def scraped(http: httpx.Client, **headers: str) -> Numbers:
    answer = http.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return numbers(answer.text)


@pytest.fixture
def busy(engine: Engine) -> None:
    """One job of each kind that is of interest."""
    with unit_of_work(engine) as registry:
        registry.jobs.insert(JobKind.RECOMMEND, {})
        running, failing, lost = (registry.jobs.insert(JobKind.REGISTER_TASK, {}).id for _ in range(3))
        for job_id, seconds in ((running, 60), (failing, 60), (lost, 1e-6)):
            registry.leases.claim(job_id, worker="w", lease_seconds=seconds)
        registry.leases.end_stage(running, 1, "fit", 2.5)
        registry.leases.fail(failing, 1, {"code": "unknown_label"})
    with unit_of_work(engine) as registry:
        registry.leases.sweep_expired()


def test_requests_are_counted_by_route_and_status(http: httpx.Client, task_body: dict) -> None:
    http.post("/v1/tasks", json=task_body)
    http.post("/v1/tasks", json={})
    for digit in "012":
        http.get(f"/v1/jobs/{digit * 32}")
    found = scraped(http)
    for method, route, status, count in (
        ("POST", "/v1/tasks", "202", 1),
        ("POST", "/v1/tasks", "422", 1),
        ("GET", "/v1/jobs/{job_id}", "404", 3),
    ):
        assert of(found, "ldnas_requests_total", method=method, route=route, status=status) == count
    assert of(found, "ldnas_request_seconds_count", method="GET", route="/v1/jobs/{job_id}") == 3
    assert 0 < of(found, "ldnas_request_seconds_sum", method="GET", route="/v1/jobs/{job_id}") < 60


def test_what_has_no_route_makes_one_series_whatever_is_asked(http: httpx.Client) -> None:
    for path in ("/wp-admin", "/.env", "/v1/nothing/at/all"):
        http.get(path)
    http.request("BREW", "/coffee")
    found = scraped(http)
    assert of(found, "ldnas_requests_total", method="GET", route="none", status="404") == 3
    assert of(found, "ldnas_requests_total", method="other", route="none", status="404") == 1
    assert not [key for key in found if "wp-admin" in str(key)]


def test_a_bug_is_counted_as_500(app: FastAPI, http: httpx.Client) -> None:
    def fault() -> None:
        raise LookupError

    app.add_api_route("/fault", fault)
    assert http.get("/fault").status_code == 500
    assert of(scraped(http), "ldnas_requests_total", method="GET", route="/fault", status="500") == 1


def test_any_process_reports_the_queue_of_all(busy: None, other_http: httpx.Client) -> None:
    found = scraped(other_http)
    assert of(found, "ldnas_database_reachable") == 1
    assert of(found, "ldnas_jobs", kind="recommend", state="queued") == 1
    assert of(found, "ldnas_jobs", kind="recommend", state="running") == 0
    assert of(found, "ldnas_jobs", kind="register_task", state="running") == 1
    assert of(found, "ldnas_jobs", kind="register_task", state="failed") == 1
    assert 0 <= of(found, "ldnas_oldest_due_job_seconds", kind="recommend") < 60
    assert of(found, "ldnas_oldest_due_job_seconds", kind="distances") == 0
    assert of(found, "ldnas_lease_losses_total", kind="register_task") == 1
    assert of(found, "ldnas_lease_losses_total", kind="recommend") == 0
    assert of(found, "ldnas_failed_attempts_total", kind="register_task") == 1
    assert of(found, "ldnas_job_failures_total", kind="register_task", code="unknown_label") == 1
    assert of(found, "ldnas_jobs_ended_total", kind="register_task", state="failed") == 1
    assert of(found, "ldnas_stage_seconds_sum", kind="register_task", stage="fit") == 2.5
    assert of(found, "ldnas_stage_seconds_count", kind="register_task", stage="fit") == 1


def test_openmetrics_is_sent_to_clients_that_accept_it(busy: None, http: httpx.Client) -> None:
    answer = http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = {family.name for family in openmetrics_families(answer.text)}
    assert {"ldnas_requests", "ldnas_jobs", "ldnas_stage_seconds"} <= families


def test_sql_is_asked_at_most_once_within_some_seconds(busy: None, engine: Engine) -> None:
    collector = SqlCollector(engine)
    first = collector.collect()
    with unit_of_work(engine) as registry:
        registry.jobs.insert(JobKind.RECOMMEND, {})
    assert collector.collect() is first


def test_a_database_that_cannot_be_reached_is_reported_to_everyone_and_nothing_else_is(
    http: httpx.Client, settings: Settings, make_key: Callable[..., str]
) -> None:
    key = make_key("read")
    assert http.get("/metrics").status_code == 401
    assert len(scraped(http, Authorization=f"Bearer {key}")) > 20
    app = create_app(replace(settings, database_url="postgresql://ldnas:hunter2@127.0.0.1:1/ldnas"))
    with httpx.Client(transport=InProcess(app), base_url="http://service") as lost:
        assert lost.get("/v1/tasks").status_code == 503
        assert scraped(lost) == {("ldnas_database_reachable", frozenset()): 0}
    app.state.resources.engine.dispose()


def test_the_operations_page_names_every_number_and_none_that_is_not_there(busy: None, http: httpx.Client) -> None:
    exported = {family.name for family in text_string_to_metric_families(http.get("/metrics").text)}
    exported = {name for name in exported if name.startswith("ldnas_") and not name.endswith("_created")}
    project = Path(__file__).parents[2]
    page = (project / "docs" / "operations.md").read_text(encoding="utf-8")
    volumes = YAML(typ="safe").load(project / "docker-compose.yml")["volumes"]
    named = {name.removesuffix("_total") for name in re.findall(r"\bldnas_[a-z_]+", page)} - {"ldnas_"}
    named -= {f"ldnas_{volume}" for volume in volumes}
    assert named == exported


_SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "summary": ("_sum", "_count"),
    "histogram": ("_bucket", "_sum", "_count"),
}


def test_every_metric_of_the_alerts_and_the_dashboard_is_exported(http: httpx.Client) -> None:
    families = list(text_string_to_metric_families(http.get("/metrics").text))
    exported = {family.name + suffix for family in families for suffix in _SUFFIXES[family.type]}
    read = metrics_in([rule.expression for rule in rules().values()] + panel_expressions())
    assert len(read) > 15
    assert read - exported == set()


def test_ends_and_the_failures_that_alerts_wait_for_are_reported_before_the_first_of_them(http: httpx.Client) -> None:
    found = scraped(http)
    for kind in JobKind:
        for code in ("attempts_exhausted", "internal"):
            assert of(found, "ldnas_job_failures_total", kind=kind.value, code=code) == 0
        for state in ("succeeded", "failed", "cancelled"):
            assert of(found, "ldnas_jobs_ended_total", kind=kind.value, state=state) == 0
