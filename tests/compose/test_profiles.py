"""The profiles `tls` and `monitoring` on a real engine, by the documented commands."""

import json
import ssl
from pathlib import Path

import httpx
import pytest

from tests.compose.engine import Project, documented, free_port
from tests.deployment.caller import Caller
from tests.deployment.waiting import until
from tests.worker.authority import Authority

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]


def test_caddy_serves_the_api_by_tls_with_the_certificate_of_the_folder(project: Project, tmp_path: Path) -> None:
    port = free_port()
    authority = Authority(tmp_path)
    certificate, key = authority.certify("localhost")
    script = documented("install -d -m 755 certificates", page="how-to/proxy.md").text
    script = script.replace("/etc/ssl/ldnas.pem", str(certificate)).replace("/etc/ssl/ldnas.key", str(key))
    write = f"sed -i 's/^COMPOSE_PROFILES=.*/COMPOSE_PROFILES=cpu,tls/; $aLDNAS_HTTPS_PORT={port}' .env"
    script = script.replace("# now write COMPOSE_PROFILES=cpu,tls into .env", write).replace("sudo ", "")
    project.shell(f"sh deploy/prepare\n{script}")
    assert project.health("proxy") == "healthy"
    admin_key = (project.folder / "secrets" / "admin_key").read_text()
    trusting = ssl.create_default_context(cafile=authority.file)
    with httpx.Client(base_url=f"https://localhost:{port}", verify=trusting, trust_env=False) as http:
        assert http.get("/v1/tasks").status_code == 401
        origin = {"Origin": f"https://localhost:{port}"}
        answer = http.post("/login", json={"key": admin_key}, headers=origin)
        assert answer.is_success, answer.text
        assert "secure" in answer.headers["set-cookie"].lower()
        assert http.get("/v1/tasks").status_code == 200


def test_prometheus_scrapes_the_api_with_the_documented_key_and_loads_the_alerts(
    project: Project, caller: Caller
) -> None:
    """Without Grafana, of which Debian has no package."""
    port = free_port()
    script = documented("ldnas key create prometheus").text
    write = f"sed -i 's/^COMPOSE_PROFILES=.*/COMPOSE_PROFILES=cpu,monitoring/; $aLDNAS_PROMETHEUS_PORT={port}' .env"
    script = script.replace("# now write COMPOSE_PROFILES=cpu,monitoring into .env", write)
    assert write in script
    project.shell(script.replace("--detach --wait", "--detach --wait prometheus"))
    assert project.health("prometheus") == "healthy"
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30) as http:

        def value(query: str) -> list[str]:
            found = http.get("/query", params={"query": query}).raise_for_status().json()["data"]["result"]
            return [series["value"][1] for series in found]

        until(lambda: value('up{job="ldnas"}') == ["1"], "Prometheus scrapes the API")
        assert value("ldnas_database_reachable") == ["1"]
        groups = http.get("/rules").raise_for_status().json()["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert len(rules) >= 10
        assert {rule["health"] for rule in rules} <= {"ok", "unknown"}, json.dumps(rules)
    project.shell("docker compose --profile cpu --profile tls --profile monitoring down --volumes")
