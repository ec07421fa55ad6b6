"""The alerts and the dashboard agree with the operations page, with each other and with Prometheus."""

import itertools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.deployment.compose import load, mounts
from tests.deployment.monitoring import FOLDER, RULES, documented, metrics_in, panel_expressions, panels, rules


def promtool(*words: str) -> None:
    """Runs promtool, and fails with its words; skips where it is not installed."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    run = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_alert_of_the_page_is_a_rule_and_every_rule_is_on_the_page() -> None:
    assert list(rules().values()) == documented()
    assert len(documented()) > 10


def test_the_metrics_of_an_expression_are_found() -> None:
    expression = 'sum by (kind) (rate(ldnas_a_total{state=~"b|c"}[5m])) / max(ldnas_d) > 0.5'
    assert metrics_in([expression, 'up{job="ldnas"} == 0']) == {"ldnas_a_total", "ldnas_d"}


def test_panels_have_numbers_titles_and_places_of_their_own() -> None:
    found = panels()
    assert len({panel["id"] for panel in found}) == len({panel["title"] for panel in found}) == len(found)
    for one, other in itertools.combinations([panel["gridPos"] for panel in found], 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)
    assert max(panel["gridPos"]["x"] + panel["gridPos"]["w"] for panel in found) <= 24


def test_every_panel_reads_the_provisioned_source_which_is_the_service_of_the_compose_file() -> None:
    (source,) = yaml(FOLDER / "grafana" / "datasources" / "prometheus.yml")["datasources"]
    for panel in panels():
        for reader in (panel, *panel["targets"]):
            assert reader["datasource"] == {"type": "prometheus", "uid": source["uid"]}
    prometheus = load()["services"]["prometheus"]
    assert source["url"] == "http://prometheus:9090"
    assert prometheus["ports"] == ["127.0.0.1:9090:9090"]
    (provider,) = yaml(FOLDER / "grafana" / "dashboards" / "provider.yml")["providers"]
    mounted = {mount.source: mount.target for mount in mounts(load()["services"]["grafana"])}
    assert provider["options"]["path"] == f"{mounted['./deploy/monitoring/grafana']}/dashboards"


def test_prometheus_scrapes_the_api_with_the_key_that_it_is_given() -> None:
    services = load()["services"]
    (scrape,) = yaml(FOLDER / "prometheus" / "prometheus.yml")["scrape_configs"]
    (target,) = scrape["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert services[host]["ports"][0].endswith(f":{port}")
    assert set(services[host]["networks"]) & set(services["prometheus"]["networks"])
    assert scrape["job_name"] == "ldnas"  # as the alert on `up` has it
    (secret,) = services["prometheus"]["secrets"]
    assert scrape["authorization"] == {"credentials_file": f"/run/secrets/{secret}"}


def yaml(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return document


def test_promtool_accepts_the_rules_and_the_configuration() -> None:
    promtool("check", "rules", str(RULES))
    promtool("check", "config", "--syntax-only", str(FOLDER / "prometheus" / "prometheus.yml"))


def test_promtool_can_read_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    records = [{"record": f"panel:{place}", "expr": text} for place, text in enumerate(panel_expressions())]
    write(tmp_path / "rules.yml", {"groups": [{"name": "panels", "rules": records}]})
    promtool("check", "rules", str(tmp_path / "rules.yml"))


FAULTS: dict[str, dict[str, str]] = {
    "LdnasDown": {'up{job="ldnas"}': "0x30"},
    "LdnasDatabaseUnreachable": {"ldnas_database_reachable": "0x30"},
    "LdnasNoWorker": {"ldnas_workers": "0x30"},
    "LdnasJobsWait": {'ldnas_oldest_due_job_seconds{kind="recommend"}': "0+60x30"},
    "LdnasLeaseLost": {'ldnas_lease_losses_total{kind="recommend"}': "0x25 1x5"},
    "LdnasAttemptsFail": {'ldnas_failed_attempts_total{kind="recommend"}': "0x10 5x20"},
    "LdnasBug": {'ldnas_job_failures_total{kind="recommend",code="internal"}': "0x25 1x5"},
    "LdnasJobGivenUp": {'ldnas_job_failures_total{kind="study",code="attempts_exhausted"}': "0x25 1x5"},
    "LdnasWebhookGivenUp": {'ldnas_webhook_attempts_total{outcome="given_up"}': "0x25 1x5"},
    "LdnasWebhooksWait": {"ldnas_oldest_due_webhook_seconds": "0+60x30"},
    "LdnasServerErrors": {'ldnas_requests_total{method="GET",route="/v1/tasks",status="503"}': "1+1x30"},
    "LdnasKeysRefused": {'ldnas_requests_total{method="GET",route="/v1/tasks",status="401"}': "0+90x30"},
    "LdnasGpuMemoryFull": {
        'ldnas_gpu_memory_used_bytes{host="a",gpu="0"}': "96x30",
        'ldnas_gpu_memory_bytes{host="a",gpu="0"}': "100x30",
    },
    "LdnasDiskFull": {
        'node_filesystem_avail_bytes{mountpoint="/"}': "9x30",
        'node_filesystem_size_bytes{mountpoint="/"}': "100x30",
    },
}
"""The series that Prometheus sees, minute by minute, when each alert has to fire after half an hour."""

HEALTHY = {
    'up{job="ldnas"}': "1x30",
    "ldnas_database_reachable": "1x30",
    "ldnas_workers": "1x30",
    'ldnas_oldest_due_job_seconds{kind="recommend"}': "599x30",
    'ldnas_lease_losses_total{kind="recommend"}': "7x30",
    'ldnas_failed_attempts_total{kind="recommend"}': "0x10 3x20",
    'ldnas_job_failures_total{kind="recommend",code="internal"}': "2x30",
    'ldnas_job_failures_total{kind="recommend",code="unknown_label"}': "0+1x30",
    'ldnas_webhook_attempts_total{outcome="delivered"}': "0+1x30",
    "ldnas_oldest_due_webhook_seconds": "0x30",
    'ldnas_requests_total{method="GET",route="/v1/tasks",status="200"}': "0+900x30",
    'ldnas_requests_total{method="GET",route="/v1/tasks",status="401"}': "0+10x30",
    'ldnas_gpu_memory_used_bytes{host="a",gpu="0"}': "94x30",
    'ldnas_gpu_memory_bytes{host="a",gpu="0"}': "100x30",
    'node_filesystem_avail_bytes{mountpoint="/"}': "11x30",
    'node_filesystem_size_bytes{mountpoint="/"}': "100x30",
}


def test_each_alert_has_a_fault_that_shows_it() -> None:
    assert FAULTS.keys() == rules().keys()


def test_each_alert_fires_on_its_fault_and_is_silent_for_a_healthy_service(tmp_path: Path) -> None:
    checks = []
    for fault, values in {**FAULTS, "none": HEALTHY}.items():
        expected = [{"eval_time": "30m", "alertname": name} for name in rules() if name != fault]
        checks.append({"interval": "1m", "input_series": series(values), "alert_rule_test": expected})
        if fault != "none":
            # Fires: with `exp_alerts` absent promtool would expect silence.
            firing = {"expr": f'count(ALERTS{{alertname="{fault}",alertstate="firing"}})', "eval_time": "30m"}
            checks[-1]["promql_expr_test"] = [{**firing, "exp_samples": [{"labels": "{}", "value": 1}]}]
    write(tmp_path / "tests.yml", {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": checks})
    promtool("test", "rules", str(tmp_path / "tests.yml"))


def series(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": text} for name, text in values.items()]


def write(path: Path, document: dict[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(document, file)
