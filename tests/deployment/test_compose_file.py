"""The compose file keeps its specification's schema and the rules that a schema cannot say."""

import copy
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.deployment.compose import COMPOSE_FILE, ROOT, load, written
from tests.deployment.lint import problems
from worker.settings import Settings
from worker.variables import VARIABLES

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return load()


def schema_check(path: Path) -> subprocess.CompletedProcess[str]:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(check, capture_output=True, text=True)


def test_the_compose_file_keeps_the_schema_of_its_specification() -> None:
    checked = schema_check(COMPOSE_FILE)
    assert checked.returncode == 0, checked.stdout


def device(services: dict[str, Any]) -> dict[str, Any]:
    """The device that the GPU worker reserves."""
    return services["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"][0]


MALFORMED: dict[str, tuple[Edit, str]] = {
    "misspelt key": (lambda s: s["api"].update(heathcheck={}), "heathcheck"),
    "wrong type": (lambda s: s["worker"].update(restart=["unless-stopped"]), "restart"),
    "no capabilities": (lambda s: device(s).pop("capabilities"), "capabilities"),
}


@pytest.mark.parametrize("seed", MALFORMED)
def test_the_schema_refuses_malformed_files(seed: str, compose: dict[str, Any], tmp_path: Path) -> None:
    edit, named = MALFORMED[seed]
    broken = copy.deepcopy(compose)
    edit(broken["services"])
    path = tmp_path / "docker-compose.yml"
    path.write_text(json.dumps(broken))
    checked = schema_check(path)
    assert checked.returncode == 1
    assert named in checked.stdout


def test_the_compose_file_keeps_our_rules(compose: dict[str, Any]) -> None:
    assert problems(compose) == []


SEEDED: dict[str, tuple[Edit, str]] = {
    "unknown dependency": (
        lambda s: s["api"]["depends_on"].update(rabbit={"condition": "service_healthy"}),
        "api: depends on the unknown service rabbit",
    ),
    "unknown condition": (
        lambda s: s["api"]["depends_on"]["redis"].update(condition="service_ready"),
        "api: waits for redis under the unknown condition service_ready",
    ),
    "health of what has no check": (
        lambda s: s["postgres"].pop("healthcheck"),
        "migrate: waits for the health of postgres, which has no healthcheck",
    ),
    "the end of what runs on": (
        lambda s: s["worker"]["depends_on"]["redis"].update(condition="service_completed_successfully"),
        "worker: waits for redis under service_completed_successfully, which does not suit how it runs",
    ),
    "a start that says nothing of the end": (
        lambda s: s["api"]["depends_on"]["migrate"].update(condition="service_started"),
        "api: waits for migrate under service_started, which does not suit how it runs",
    ),
    "a dependency of another profile": (
        lambda s: s["redis"].update(profiles=["gpu"]),
        "api: depends on redis, which its profiles do not start",
    ),
    "undeclared volume": (
        lambda s: s["worker"]["volumes"].append("cache:/cache"),
        "worker: volumes has the undeclared cache",
    ),
    "undeclared secret": (lambda s: s["api"]["secrets"].append("tls"), "api: secrets has the undeclared tls"),
    "undeclared network": (lambda s: s["redis"].update(networks=["back"]), "redis: networks has the undeclared back"),
    "unused volume": (lambda s: s["postgres"].pop("volumes"), "volumes: nothing uses database"),
    "duration without a unit": (
        lambda s: s["worker"].update(stop_grace_period="30"),
        "worker: stop_grace_period: '30' is not a duration",
    ),
    "duration with an unknown unit": (
        lambda s: s["api"]["healthcheck"].update(interval="15 seconds"),
        "api: interval: '15 seconds' is not a duration",
    ),
    "no healthcheck": (lambda s: s["dispatcher"].pop("healthcheck"), "dispatcher: has no healthcheck"),
    "a healthcheck that may take for ever": (
        lambda s: s["worker"]["healthcheck"].pop("timeout"),
        "worker: its healthcheck leaves timeout open",
    ),
    "not started again": (lambda s: s["api"].update(restart="always"), "api: is not started again when it ends"),
    "no grace": (lambda s: s["worker-gpu"].pop("stop_grace_period"), "worker-gpu: has no stop_grace_period"),
    "a grace that is too short": (
        lambda s: s["worker"].update(stop_grace_period="22s"),
        "worker: its stop_grace_period is too short for its LDNAS_SHUTDOWN_SECONDS",
    ),
    "writable root": (lambda s: s["api"].update(read_only=False), "api: its root can be written to"),
    "capabilities of the proxy": (
        lambda s: s["proxy"].update(cap_add=["NET_BIND_SERVICE", "NET_ADMIN"]),
        "proxy: keeps capabilities",
    ),
    "privileged": (lambda s: s["proxy"].update(privileged=True), "proxy: keeps capabilities"),
    "another port of the proxy": (
        lambda s: s["proxy"]["ports"].append("2019:2019"),
        "proxy: publishes 2019:2019 beyond loopback",
    ),
    "capabilities": (lambda s: s["postgres"].update(cap_add=["CHOWN"]), "postgres: keeps capabilities"),
    "privileges": (lambda s: s["worker"].pop("security_opt"), "worker: may gain privileges"),
    "root": (lambda s: s["postgres"].pop("user"), "postgres: runs as root, or as a user that is not a number"),
    "published to all": (
        lambda s: s["redis"].update(ports=["6379:6379"]),
        "redis: publishes 6379:6379 beyond loopback",
    ),
    "latest image": (lambda s: s["redis"].update(image="redis"), "redis: its image names no version"),
    "misspelt setting": (
        lambda s: s["api"]["environment"].update(LDNAS_HOSTS="0.0.0.0"),
        "api: LDNAS_HOSTS is not a setting",
    ),
    "password in the environment": (
        lambda s: s["postgres"]["environment"].update(POSTGRES_PASSWORD="x"),
        "postgres: POSTGRES_PASSWORD holds a secret that belongs into a file",
    ),
    "password in a URL": (
        lambda s: s["api"]["environment"].update(LDNAS_BROKER_URL="redis://:x@redis:6379/0"),
        "api: LDNAS_BROKER_URL holds a password",
    ),
    "a secret that is not given": (
        lambda s: s["dispatcher"].pop("secrets"),
        "dispatcher: LDNAS_DATABASE_PASSWORD_FILE names a secret that the service is not given",
    ),
    "a heartbeat that containers share": (
        lambda s: s["worker"]["environment"].update(LDNAS_HEARTBEAT_FILE="/var/lib/ldnas/heartbeat"),
        "worker: its heartbeat lies on no file system of its own",
    ),
    "a home that is not kept": (
        lambda s: s["worker"].update(volumes=s["worker"]["volumes"][1:]),
        "worker: cannot write to LDNAS_HOME",
    ),
    "no images to learn from": (
        lambda s: s["api"].update(volumes=s["api"]["volumes"][:1]),
        "api: has no volume at LDNAS_DATASET_ROOTS",
    ),
    "unknown host": (
        lambda s: s["api"]["environment"].update(LDNAS_BROKER_URL="redis://valkey:6379/0"),
        "api: LDNAS_BROKER_URL names the unknown host valkey",
    ),
    "no network in common": (
        lambda s: s["worker"].update(networks=["outside"]),
        "worker: shares no network with postgres",
    ),
    "both count and device_ids": (
        lambda s: device(s).update(device_ids=["0"]),
        "worker-gpu: a device reservation has either count or device_ids",
    ),
    "no GPU among the capabilities": (
        lambda s: device(s).update(capabilities=["utility"]),
        "worker-gpu: a device reservation lacks the capability gpu",
    ),
    "another driver": (
        lambda s: device(s).update(driver="cdi"),
        "worker-gpu: a device reservation names a driver other than nvidia",
    ),
    "no reservation": (lambda s: s["worker-gpu"].pop("deploy"), "worker-gpu: is for GPUs and reserves none"),
}


@pytest.mark.parametrize("seed", SEEDED)
def test_each_rule_finds_what_breaks_it(seed: str, compose: dict[str, Any]) -> None:
    edit, problem = SEEDED[seed]
    broken = copy.deepcopy(compose)
    edit(broken["services"])
    assert problem in problems(broken)


@pytest.mark.parametrize("source", ["./datasets", "/srv/images", "datasets"])
def test_the_images_are_in_a_folder_of_the_host_or_in_a_volume(source: str, compose: dict[str, Any]) -> None:
    chosen = compose if source == "./datasets" else load({"LDNAS_DATASETS": source})
    for name in ("api", "worker", "worker-gpu"):
        assert f"{source}:/datasets:ro" in chosen["services"][name]["volumes"]
    assert problems(chosen) == []


def test_the_images_carry_the_version_of_this_program(compose: dict[str, Any]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"].partition(".dev")[0]
    ours = {service["image"] for service in compose["services"].values() if "build" in service}
    assert ours == {f"ldnas-api:{version}", f"ldnas-worker:{version}", f"ldnas-worker-cpu:{version}"}


def test_one_service_builds_each_image_and_the_others_never_pull_it() -> None:
    services = written()["services"]
    building = [service["image"] for service in services.values() if "build" in service]
    assert len(building) == len(set(building)) == 3
    sharing = {name: service for name, service in services.items() if "build" not in service}
    ours = {name for name, service in sharing.items() if service["image"] in building}
    assert ours == {"api", "dispatcher"}
    assert {sharing[name]["pull_policy"] for name in ours} == {"never"}


def test_the_workers_are_built_for_their_devices_and_from_the_given_index() -> None:
    services = load({"TORCH_INDEX": "https://wheels.example.org/cpu"})["services"]
    arguments = {name: services[name]["build"]["args"] for name in ("worker", "worker-gpu")}
    assert {name: given["DEVICE"] for name, given in arguments.items()} == {"worker": "cpu", "worker-gpu": "cuda"}
    assert {given["TORCH_INDEX"] for given in arguments.values()} == {"https://wheels.example.org/cpu"}
    assert {
        service["build"]["args"]["TORCH_INDEX"]
        for service in written()["services"].values()
        if "args" in service.get("build", {})
    } == {""}


def test_the_proxys_headers_are_believed_on_the_published_port() -> None:
    trusted = [
        load(given)["services"]["api"]["environment"]["FORWARDED_ALLOW_IPS"]
        for given in ({}, {"FORWARDED_ALLOW_IPS": "172.18.0.1"})
    ]
    assert trusted == ["*", "172.18.0.1"]


def test_traces_are_sent_where_the_operator_says() -> None:
    endpoint = "http://collector:4318"
    services = load({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})["services"]
    for name in ("api", "worker", "worker-gpu"):
        assert services[name]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == endpoint


def test_every_service_that_runs_on_is_limited_and_the_limits_can_be_given() -> None:
    plain = load()["services"]
    for name, prefix in LIMITED.items():
        given = {f"LDNAS_{prefix}_MEMORY": "3g", f"LDNAS_{prefix}_CPUS": "1.5"}
        service = load(given)["services"][name]
        assert (service["mem_limit"], service["cpus"]) == ("3g", "1.5")
        assert re.fullmatch(r"[1-9]\d*[mg]", plain[name]["mem_limit"])
        assert plain[name]["cpus"] == "0"
    assert set(LIMITED) == {name for name, service in plain.items() if service.get("restart") != "no"}
    assert plain["postgres"]["shm_size"] == "256m"


LIMITED = {
    "api": "API",
    "dispatcher": "DISPATCHER",
    "worker": "WORKER",
    "worker-gpu": "WORKER",
    "postgres": "POSTGRES",
    "redis": "REDIS",
    "proxy": "PROXY",
    "prometheus": "PROMETHEUS",
    "grafana": "GRAFANA",
}
"""The services with limits, and how their variables are named."""


def test_the_number_of_workers_and_of_their_threads_can_be_given() -> None:
    assert [load(given)["services"]["worker"]["scale"] for given in ({}, {"LDNAS_WORKERS": "3"})] == [1, 3]
    for name in ("worker", "worker-gpu"):
        assert "OMP_NUM_THREADS" not in load()["services"][name]["environment"]
        assert load({"OMP_NUM_THREADS": "2"})["services"][name]["environment"]["OMP_NUM_THREADS"] == "2"


def test_the_example_of_the_environment_names_what_the_file_reads_and_states_its_defaults() -> None:
    text = (ROOT / ".env.example").read_text()
    lines = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", text, re.MULTILINE))
    defaults = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", COMPOSE_FILE.read_text()))
    assert set(lines) <= {*defaults, "COMPOSE_PROFILES", "OMP_NUM_THREADS"}
    assert set(lines) >= OF_THE_FILE
    stated = {name: value for name, value in lines.items() if name in OF_THE_FILE}
    assert stated == {name: defaults[name] for name in OF_THE_FILE}
    assert "COMPOSE_PROFILES=cpu\n" in text


def test_what_an_operator_makes_is_kept_out_of_git() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    made = {"/secrets/", "/.env", "/datasets/", "/certificates/", "/deploy/kubernetes/base/secrets/"}
    assert made <= set(ignored)


def test_preparing_twice_makes_secrets_once_and_keeps_what_the_operator_changed(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    for name in ("deploy/prepare", ".env.example"):
        shutil.copy(ROOT / name, tmp_path / name)

    def prepare() -> str:
        return subprocess.run(["sh", "deploy/prepare"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert "made secrets/database_password" in prepare()
    secrets = [tmp_path / "secrets" / name for name in ("database_password", "admin_key", "grafana_password")]
    made = [secret.read_text() for secret in secrets]
    assert all(re.fullmatch(r"[0-9a-f]{64}", text) for text in made)
    assert len(set(made)) == 3
    assert [oct(path.stat().st_mode & 0o777) for path in (secrets[0].parent, *secrets)] == ["0o700", *["0o444"] * 3]
    (tmp_path / ".env").write_text("LDNAS_WORKERS=2\n")
    assert prepare() == ""
    assert [secret.read_text() for secret in secrets] == made
    assert (tmp_path / ".env").read_text() == "LDNAS_WORKERS=2\n"
    assert (tmp_path / "datasets").is_dir()


FIXED = {
    "LDNAS_HOME": "a volume is mounted there",
    "LDNAS_DATASET_ROOTS": "a volume is mounted there; LDNAS_DATASETS says which",
    "LDNAS_DATABASE_URL": "a service of the file",
    "LDNAS_DATABASE_PASSWORD_FILE": "a secret of the file",
    "LDNAS_ADMIN_KEY_FILE": "a secret of the file, for migrate alone",
    "LDNAS_BROKER_URL": "a service of the file",
    "LDNAS_HOST": "within the container every address; outside loopback alone",
    "LDNAS_DEVICE": "the profile says it",
    "LDNAS_HEARTBEAT_FILE": "the health check reads it",
    "LDNAS_SHUTDOWN_SECONDS": "stop_grace_period has to be longer",
    "LDNAS_URL": "for the client, which runs elsewhere",
    "LDNAS_API_KEY": "for the client, which runs elsewhere",
    "LDNAS_WEBHOOK_SECRET": "for the client, which runs elsewhere",
}
"""The settings that an operator of the file cannot give, and why."""


OF_THE_FILE = {
    "LDNAS_DATASETS",
    "LDNAS_WORKERS",
    "LDNAS_CERTIFICATES",
    "LDNAS_HTTPS_PORT",
    "LDNAS_PROMETHEUS_PORT",
    "LDNAS_GRAFANA_PORT",
} | {
    f"LDNAS_{service}_{limit}"
    for service in ("API", "DISPATCHER", "WORKER", "POSTGRES", "REDIS", "PROXY", "PROMETHEUS", "GRAFANA")
    for limit in ("MEMORY", "CPUS")
}
"""Variables of the file itself: mounts, ports and limits of containers."""


def documented_settings() -> set[str]:
    return {variable.name for variable in VARIABLES}


def test_every_documented_setting_can_be_given_or_is_fixed_for_a_reason() -> None:
    passed_on = set(re.findall(r"\$\{(LDNAS_[A-Z_]+):-", COMPOSE_FILE.read_text(encoding="utf-8")))
    passed_on -= OF_THE_FILE
    assert passed_on.isdisjoint(FIXED)
    assert passed_on | set(FIXED) == documented_settings()


def test_given_settings_reach_every_process_of_the_project_and_absent_ones_leave_the_defaults() -> None:
    given = {"LDNAS_REMOTE_HOSTS": "data.example.org,*.hooks.example.org", "LDNAS_MAX_UPLOAD_BYTES": "17"}
    for environ, hosts, largest in (
        (given, ("data.example.org", "*.hooks.example.org"), 17),
        ({}, Settings.remote_hosts, Settings.max_upload_bytes),
    ):
        services = load(environ)["services"]
        ours = [service["environment"] for service in services.values() if "build" in service]
        assert len(ours) == 5
        for environment in ours:
            read = {key: value for key, value in environment.items() if not key.endswith("_FILE")}
            settings = Settings.from_environment(read)
            assert (settings.remote_hosts, settings.max_upload_bytes) == (hosts, largest)


def test_another_port_of_the_host_can_be_published() -> None:
    assert load()["services"]["api"]["ports"] == ["127.0.0.1:8000:8000"]
    assert load({"LDNAS_PORT": "8100"})["services"]["api"]["ports"] == ["127.0.0.1:8100:8000"]
