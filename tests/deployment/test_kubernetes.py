"""The kustomize folder keeps Kubernetes's schemas and agrees with the compose file."""

import copy
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes_validate import ValidationError, validate

from tests.deployment.compose import COMPOSE_FILE
from tests.deployment.compose import load as load_compose
from tests.deployment.kubernetes import FOLDER, Object, container, load, named, pod, read, workloads
from tests.deployment.parity import WORKERS, differences, services

RELEASES = ("1.29", "1.37")
"""The oldest and the newest release of Kubernetes whose schemas the objects keep."""

Edit = Callable[[list[Object]], Any]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return load_compose()


@pytest.fixture(scope="module", params=WORKERS)
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def validate_all(objects: list[Object], release: str) -> None:
    for found in objects:
        validate(found, release, strict=True)


@pytest.mark.parametrize("release", RELEASES)
def test_every_object_keeps_the_schema(overlay: str, release: str) -> None:
    objects = load(overlay)
    assert len(objects) >= 20
    validate_all(objects, release)


MALFORMED: dict[str, tuple[Edit, str]] = {
    "misspelt field": (lambda o: container(workloads(o)["api"]).update(livenesProbe={}), "livenesProbe"),
    "wrong type": (lambda o: workloads(o)["worker"]["spec"].update(replicas="one"), "one"),
    "unknown kind of volume": (lambda o: pod(workloads(o)["api"])["volumes"][0].update(claim="data"), "claim"),
}


@pytest.mark.parametrize("seed", MALFORMED)
def test_the_schema_refuses_malformed_objects(seed: str) -> None:
    edit, said = MALFORMED[seed]
    objects = load("cpu")
    edit(objects)
    with pytest.raises(ValidationError, match=said):
        validate_all(objects, RELEASES[1])


def test_the_objects_agree_with_the_compose_file(overlay: str, compose: dict[str, Any]) -> None:
    assert differences(load(overlay), compose, overlay) == []
    assert WORKERS[overlay] in services(compose, overlay)


def api(objects: list[Object]) -> Object:
    return container(workloads(objects)["api"])


def worker(objects: list[Object]) -> Object:
    return container(workloads(objects)["worker"])


def settings(objects: list[Object]) -> dict[str, str]:
    found = named(objects, "ConfigMap", "settings")
    assert found is not None
    data: dict[str, str] = found["data"]
    return data


def rights(objects: list[Object], name: str) -> Object:
    found: Object = pod(workloads(objects)[name])["securityContext"]
    return found


def dropped(objects: list[Object], kind: str, name: str) -> None:
    objects.remove(named(objects, kind, name))  # type: ignore[arg-type]


SEEDED: dict[str, tuple[Edit, str]] = {
    "a service is missing": (lambda o: dropped(o, "Deployment", "dispatcher"), "dispatcher: is not in the folder"),
    "another image": (
        lambda o: api(o).update(image="ldnas-api:0.1.0"),
        "api: runs ldnas-api:0.1.0, not ldnas-api:0.2.0",
    ),
    "another command": (
        lambda o: worker(o).update(command=["ldnas", "api"]),
        "worker: runs ['ldnas', 'api'], not ['ldnas', 'worker']",
    ),
    "another kind": (lambda o: workloads(o)["postgres"].update(kind="Deployment"), "postgres: is a Deployment"),
    "orphans stay": (
        lambda o: pod(workloads(o)["worker"]).pop("shareProcessNamespace"),
        "worker: its orphans have another parent",
    ),
    "a shorter grace": (
        lambda o: pod(workloads(o)["worker"]).update(terminationGracePeriodSeconds=10),
        "worker: has not 30 s to end",
    ),
    "another user": (lambda o: rights(o, "api").update(runAsUser=1000), "api: does not run as 10001:10001"),
    "another group of volumes": (
        lambda o: rights(o, "postgres").update(fsGroup=10001),
        "postgres: its volumes do not belong to the group 999",
    ),
    "every system call": (
        lambda o: rights(o, "redis").update(seccompProfile={"type": "Unconfined"}),
        "redis: may make every system call",
    ),
    "root": (lambda o: api(o)["securityContext"].pop("runAsNonRoot"), "api: may run as root"),
    "writable root": (
        lambda o: worker(o)["securityContext"].update(readOnlyRootFilesystem=False),
        "worker: its root can be written to",
    ),
    "privileges": (lambda o: api(o)["securityContext"].pop("allowPrivilegeEscalation"), "api: may gain privileges"),
    "capabilities": (
        lambda o: worker(o)["securityContext"].update(capabilities={"drop": ["ALL"], "add": ["CHOWN"]}),
        "worker: keeps capabilities",
    ),
    "a token": (
        lambda o: pod(workloads(o)["api"]).pop("automountServiceAccountToken"),
        "api: has a token of the cluster's API",
    ),
    "variables of Services": (
        lambda o: pod(workloads(o)["api"]).pop("enableServiceLinks"),
        "api: gets variables such as REDIS_PORT, which are not settings",
    ),
    "the node's network": (
        lambda o: pod(workloads(o)["worker"]).update(hostNetwork=True),
        "worker: shares namespaces with its node",
    ),
    "another limit": (
        lambda o: worker(o)["resources"]["limits"].update(memory="4Gi"),
        "worker: its memory is limited to 4Gi, not 8Gi",
    ),
    "a GPU for the CPU": (
        lambda o: worker(o)["resources"]["limits"].update({"nvidia.com/gpu": 1}),
        "worker: has a GPU where it should have none, or none where it needs one",
    ),
    "data sets that can be written to": (
        lambda o: worker(o)["volumeMounts"][1].pop("readOnly"),
        "worker: /datasets is not kept, or may not be written to in one of both alone",
    ),
    "a heartbeat on no file system of its own": (
        lambda o: worker(o)["volumeMounts"].pop(2),
        "worker: /tmp is mounted in one of both alone",
    ),
    "a smaller /tmp": (
        lambda o: pod(workloads(o)["worker"])["volumes"][2]["emptyDir"].update(sizeLimit="64Mi"),
        "worker: /tmp is not 1Gi of memory",
    ),
    "the admin key for all": (
        lambda o: pod(workloads(o)["api"])["volumes"][3]["projected"]["sources"].append(
            {"secret": {"name": "admin-key"}}
        ),
        "api: is given the secrets ['admin_key', 'database_password']",
    ),
    "another network": (
        lambda o: workloads(o)["redis"]["spec"]["template"]["metadata"]["labels"].update({"network-outside": "yes"}),
        "redis: is on the networks ['outside', 'storage'], not ['storage']",
    ),
    "another label": (
        lambda o: workloads(o)["api"]["spec"]["template"]["metadata"]["labels"].update(app="web"),
        "api: its pods have another label `app`",
    ),
    "no probe": (lambda o: worker(o).pop("livenessProbe"), "worker: has no livenessProbe"),
    "another probe": (
        lambda o: api(o)["readinessProbe"]["httpGet"].update(path="/healthz"),
        "api: its readinessProbe asks :8000/healthz, not :8000/readyz",
    ),
    "a slower probe": (
        lambda o: worker(o)["livenessProbe"].update(failureThreshold=30),
        "worker: its livenessProbe has other times",
    ),
    "an impatient start": (
        lambda o: worker(o).pop("startupProbe"),
        "worker: is killed if it has not started within 0 s",
    ),
    "another setting": (
        lambda o: settings(o).update(LDNAS_HOME="/data"),
        "dispatcher: LDNAS_HOME is /data, not /var/lib/ldnas",
    ),
    "a setting too many": (
        lambda o: settings(o).update(LDNAS_DEVICE="cuda"),
        "api: LDNAS_DEVICE is cuda, not None",
    ),
    "a setting missing": (
        lambda o: worker(o)["env"].pop(),
        "worker: LDNAS_DEVICE is None, not cpu",
    ),
    "no such host": (
        lambda o: dropped(o, "Service", "redis"),
        "LDNAS_BROKER_URL: no Service listens at redis:6379",
    ),
    "no such port": (lambda o: api(o).pop("ports"), "Service api: no pod listens there"),
    "no such volume": (
        lambda o: dropped(o, "PersistentVolumeClaim", "datasets"),
        "api: the PersistentVolumeClaim datasets does not exist",
    ),
    "no such secret": (lambda o: dropped(o, "Secret", "admin-key"), "migrate: the Secret admin-key does not exist"),
}


@pytest.mark.parametrize("seed", SEEDED)
def test_each_difference_from_the_compose_file_is_found(seed: str, compose: dict[str, Any]) -> None:
    edit, difference = SEEDED[seed]
    objects = load("cpu")
    edit(objects)
    assert difference in differences(objects, compose, "cpu")


def test_a_new_service_of_the_compose_file_needs_an_object(compose: dict[str, Any]) -> None:
    grown = copy.deepcopy(compose)
    grown["services"]["cleaner"] = grown["services"]["dispatcher"]
    assert differences(load("cpu"), grown, "cpu") == ["cleaner: is not in the folder"]


def test_the_gpu_worker_is_given_one_gpu_and_gives_it_back_before_the_next_one_starts() -> None:
    found = workloads(load("gpu"))["worker-gpu"]
    assert container(found)["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert found["spec"]["strategy"] == {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def test_the_settings_that_compose_passes_on_can_be_given() -> None:
    written = (FOLDER / "base" / "settings.env").read_text()
    offered = set(re.findall(r"^#(\w+)=$", written, re.MULTILINE))
    shared = COMPOSE_FILE.read_text().partition("x-environment:")[2].partition("x-api-image:")[0]
    assert offered == set(re.findall(r"\$\{(\w+):-\}", shared))


def policies(objects: list[Object]) -> dict[str, Object]:
    return {found["metadata"]["name"]: found["spec"] for found in objects if found["kind"] == "NetworkPolicy"}


def test_a_pod_reaches_nothing_that_no_policy_names(overlay: str) -> None:
    found = policies(load(overlay))
    assert found["nothing"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    inside = {"podSelector": {"matchLabels": {"network-storage": "yes"}}}
    ports = [{"protocol": "TCP", "port": port} for port in (5432, 6379)]
    assert found["storage"]["ingress"] == [{"from": [inside], "ports": ports}]
    assert found["storage"]["egress"] == [{"to": [inside], "ports": ports}]
    assert found["outside"]["podSelector"] == {"matchLabels": {"network-outside": "yes"}}
    assert "ingress" not in found["outside"]
    # From the proxy's namespace alone, since the API believes what X-Forwarded-Proto says.
    (way_in,) = found["api"]["ingress"]
    assert way_in["from"] == [{"namespaceSelector": {"matchLabels": {"ldnas-proxy": "yes"}}}]
    assert set(found) == {"nothing", "names", "storage", "outside", "api"}


def without_hashes(text: str) -> str:
    return re.sub(r"\b(settings|database-password|admin-key)-[a-z0-9]{10}\b", r"\1", text)


@pytest.fixture
def made_by_kubectl(overlay: str, tmp_path: Path) -> list[Object]:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    folder = shutil.copytree(FOLDER, tmp_path / "kubernetes")
    secrets = folder / "base" / "secrets"
    secrets.mkdir(exist_ok=True)
    for name in ("database_password", "admin_key"):
        (secrets / name).unlink(missing_ok=True)
        (secrets / name).write_text("secret")
    build = ["kubectl", "kustomize", str(folder / overlay)]
    made = subprocess.run(build, capture_output=True, text=True, check=True, timeout=60).stdout
    (tmp_path / "made.yaml").write_text(without_hashes(made))
    return read(tmp_path / "made.yaml")


def test_kubectl_builds_the_same_objects(overlay: str, made_by_kubectl: list[Object]) -> None:
    def by_name(objects: list[Object]) -> dict[tuple[str, str], Object]:
        return {(found["kind"], found["metadata"]["name"]): found for found in objects}

    assert by_name(made_by_kubectl) == by_name(load(overlay))
