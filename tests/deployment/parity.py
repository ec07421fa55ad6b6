"""Where the Kubernetes objects differ from the services of the compose file.

`differences(objects, compose)` gives one sentence for each.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from tests.deployment.compose import mounts, seconds
from tests.deployment.kubernetes import Object, container, named, pod, workloads
from tests.deployment.lint import user_of

Differences = Iterator[str]
Service = Mapping[str, Any]

WORKERS = {"cpu": "worker", "gpu": "worker-gpu"}
"""The worker of each folder."""

ELSEWHERE = {"tls", "monitoring"}
"""Profiles for which a cluster has programs of its own."""

_KINDS = {"migrate": "Job", "postgres": "StatefulSet"}
_READY = ("api", "postgres", "redis")


def services(compose: Service, overlay: str) -> dict[str, Service]:
    """The services of the compose file that a folder has to have."""
    others = {worker for name, worker in WORKERS.items() if name != overlay}
    found = compose["services"].items()
    return {name: one for name, one in found if name not in others and not ELSEWHERE & set(one.get("profiles", []))}


def differences(objects: list[Object], compose: Service, overlay: str) -> list[str]:
    """Everything in which the objects of a folder differ from the compose file."""
    wanted, made = services(compose, overlay), workloads(objects)
    found = [f"{name}: is not in the folder" for name in wanted.keys() - made.keys()]
    found += [f"{name}: is not in the compose file" for name in made.keys() - wanted.keys()]
    for name in sorted(wanted.keys() & made.keys()):
        for rule in _RULES:
            found += [f"{name}: {problem}" for problem in rule(made[name], wanted[name])]
        found += [f"{name}: {problem}" for problem in _environment(objects, made[name], wanted[name])]
    return [*found, *_addresses(objects), *_claims_and_secrets_exist(objects)]


def _program(workload: Object, service: Service) -> Differences:
    name, only = workload["metadata"]["name"], container(workload)
    if workload["kind"] != _KINDS.get(name, "Deployment"):
        yield f"is a {workload['kind']}"
    if only["image"] != service["image"]:
        yield f"runs {only['image']}, not {service['image']}"
    if only.get("command", only.get("args")) != service.get("command"):
        yield f"runs {only.get('command', only.get('args'))}, not {service.get('command')}"
    if pod(workload).get("shareProcessNamespace", False) != service["init"]:
        yield "its orphans have another parent"
    grace = seconds(service.get("stop_grace_period", "0s"))
    if pod(workload).get("terminationGracePeriodSeconds", 0) != grace:
        yield f"has not {grace:g} s to end"


def _closed(workload: Object, service: Service) -> Differences:
    spec, only = pod(workload), container(workload)
    rights, closed = spec["securityContext"], only.get("securityContext", {})
    user, _, group = user_of(service).partition(":")
    if (str(rights.get("runAsUser")), str(rights.get("runAsGroup"))) != (user, group):
        yield f"does not run as {user}:{group}"
    if str(rights.get("fsGroup")) != group:
        yield f"its volumes do not belong to the group {group}"
    if rights.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "may make every system call"
    if closed.get("runAsNonRoot") is not True:
        yield "may run as root"
    if closed.get("readOnlyRootFilesystem") is not service["read_only"]:
        yield "its root can be written to"
    if closed.get("allowPrivilegeEscalation") is not False or closed.get("privileged"):
        yield "may gain privileges"
    if closed.get("capabilities") != {"drop": service["cap_drop"]}:
        yield "keeps capabilities"
    if spec.get("automountServiceAccountToken") is not False:
        yield "has a token of the cluster's API"
    if spec.get("enableServiceLinks") is not False:
        yield "gets variables such as REDIS_PORT, which are not settings"
    if spec.get("hostNetwork") or spec.get("hostPID") or spec.get("hostIPC"):
        yield "shares namespaces with its node"


def _limits(workload: Object, service: Service) -> Differences:
    limits = container(workload)["resources"]["limits"]
    memory = re.sub(r"^(\d+)([gm])$", lambda size: f"{size[1]}{size[2].upper()}i", service["mem_limit"])
    if limits.get("memory") != memory:
        yield f"its memory is limited to {limits.get('memory')}, not {memory}"
    if ("nvidia.com/gpu" in limits) != ("deploy" in service):
        yield "has a GPU where it should have none, or none where it needs one"


def _files(workload: Object, service: Service) -> Differences:
    volumes = {volume["name"]: volume for volume in pod(workload).get("volumes", [])}
    mounted = {mount["mountPath"]: mount for mount in container(workload).get("volumeMounts", [])}
    kept = {mount.target: mount.read_only for mount in mounts(service)}
    memory = {path: _size(options) for path, _, options in (text.partition(":") for text in service.get("tmpfs", []))}
    if "shm_size" in service:
        memory["/dev/shm"] = _size(f"size={service['shm_size']}")
    secrets = {"/run/secrets"} if service.get("secrets") else set()
    for path in sorted({*kept, *memory, *secrets} ^ mounted.keys()):
        yield f"{path} is mounted in one of both alone"
    for path, mount in mounted.items():
        volume = volumes.get(mount["name"], {})
        if path in kept:
            if "persistentVolumeClaim" not in volume or mount.get("readOnly", False) != kept[path]:
                yield f"{path} is not kept, or may not be written to in one of both alone"
        elif path in memory and volume.get("emptyDir") != {"medium": "Memory", "sizeLimit": memory[path]}:
            yield f"{path} is not {memory[path]} of memory"
    given = {
        source["secret"]["name"].replace("-", "_")
        for volume in volumes.values()
        for source in volume.get("projected", {}).get("sources", [])
    }
    if given != set(service.get("secrets", [])):
        yield f"is given the secrets {sorted(given)}"


def _size(options: str) -> str:
    return re.sub(r"^.*?size=(\d+)([gm]).*$", lambda size: f"{size[1]}{size[2].upper()}i", options)


def _networks(workload: Object, service: Service) -> Differences:
    labels = workload["spec"]["template"]["metadata"]["labels"]
    joined = {label.removeprefix("network-") for label in labels if label.startswith("network-")}
    if joined != set(service["networks"]):
        yield f"is on the networks {sorted(joined)}, not {sorted(service['networks'])}"
    if labels.get("app") != workload["metadata"]["name"]:
        yield "its pods have another label `app`"


def _probes(workload: Object, service: Service) -> Differences:
    name, only = workload["metadata"]["name"], container(workload)
    check = service.get("healthcheck")
    if check is None:
        if any(kind in only for kind in ("startupProbe", "readinessProbe", "livenessProbe")):
            yield "has a probe, and no health check in the compose file"
        return
    kind = "readinessProbe" if name in _READY else "livenessProbe"
    probe = only.get(kind)
    if probe is None:
        yield f"has no {kind}"
        return
    if _asked(probe) != _checked(check["test"]):
        yield f"its {kind} asks {_asked(probe)}, not {_checked(check['test'])}"
    times = (probe["periodSeconds"], probe["timeoutSeconds"], probe["failureThreshold"])
    if times != (seconds(check["interval"]), seconds(check["timeout"]), check["retries"]):
        yield f"its {kind} has other times"
    start = only.get("startupProbe")
    if "livenessProbe" in only:
        given = start["periodSeconds"] * start["failureThreshold"] if start else 0
        if given < seconds(check["start_period"]):
            yield f"is killed if it has not started within {given} s"


def _asked(probe: Object) -> str:
    if "httpGet" in probe:
        return f":{probe['httpGet']['port']}{probe['httpGet']['path']}"
    return " ".join(probe["exec"]["command"])


def _checked(test: list[str]) -> str:
    url = re.search(r"http://127\.0\.0\.1(:\d+/\w+)", test[-1])
    return url[1] if url else " ".join(test[1:])


_RULES = (_program, _closed, _limits, _files, _networks, _probes)


def _environment(objects: list[Object], workload: Object, service: Service) -> Differences:
    only = container(workload)
    given: dict[str, str] = {}
    for source in only.get("envFrom", []):
        settings = named(objects, "ConfigMap", source["configMapRef"]["name"])
        given |= settings["data"] if settings else {}
    given |= {variable["name"]: variable["value"] for variable in only.get("env", [])}
    wanted = {name: str(value) for name, value in service["environment"].items() if str(value)}
    for name in sorted(given.keys() | wanted.keys()):
        if given.get(name) != wanted.get(name):
            yield f"{name} is {given.get(name)}, not {wanted.get(name)}"


def _addresses(objects: list[Object]) -> Differences:
    """Every host of a setting is a Service, and each Service has a pod that listens."""
    for settings in (found for found in objects if found["kind"] == "ConfigMap"):
        for variable, value in settings["data"].items():
            url = urlsplit(value) if "://" in value else None
            server = named(objects, "Service", url.hostname or "") if url else None
            if url and (server is None or url.port not in [port["port"] for port in server["spec"]["ports"]]):
                yield f"{variable}: no Service listens at {url.hostname}:{url.port}"
    for server in (found for found in objects if found["kind"] == "Service"):
        name, spec = server["metadata"]["name"], server["spec"]
        workload = workloads(objects).get(spec["selector"]["app"])
        ports = [port["containerPort"] for port in container(workload).get("ports", [])] if workload else []
        if ports != [port["targetPort"] for port in spec["ports"]]:
            yield f"Service {name}: no pod listens there"


def _claims_and_secrets_exist(objects: list[Object]) -> Differences:
    for name, workload in workloads(objects).items():
        for volume in pod(workload).get("volumes", []):
            wanted = [("PersistentVolumeClaim", volume.get("persistentVolumeClaim", {}).get("claimName"))]
            wanted += [
                ("Secret", source["secret"]["name"]) for source in volume.get("projected", {}).get("sources", [])
            ]
            for kind, needed in wanted:
                if needed and named(objects, kind, needed) is None:
                    yield f"{name}: the {kind} {needed} does not exist"
