"""Rules for a compose file that its specification's schema does not check, and requirements of our own.

`problems(compose)` gives one sentence for each rule that is broken.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from tests.deployment.compose import ROOT, is_below, mounts, seconds, secret_path, tmpfs, writable

Compose = Mapping[str, Any]
Problems = Iterator[str]

_CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
_SETTINGS = set(re.findall(r'"(LDNAS_[A-Z_]+)"', (ROOT / "worker" / "settings.py").read_text(encoding="utf-8")))

# The time that a worker needs to end, in addition to its job's LDNAS_SHUTDOWN_SECONDS.
_LEAVING_SECONDS = 5.0


def problems(compose: Compose) -> list[str]:
    """Everything that is wrong with a compose file that its schema accepts."""
    return [problem for rule in _RULES for problem in rule(compose)]


def _services(compose: Compose) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from compose["services"].items()


def _runs_on(service: Mapping[str, Any]) -> bool:
    """Whether the service keeps running, as opposed to one that does its work and ends."""
    return service.get("restart") != "no"


def _dependencies_are_there(compose: Compose) -> Problems:
    services = compose["services"]
    for name, service in _services(compose):
        for needed, how in service.get("depends_on", {}).items():
            condition = how.get("condition")
            if needed not in services:
                yield f"{name}: depends on the unknown service {needed}"
                continue
            if condition not in _CONDITIONS:
                yield f"{name}: waits for {needed} under the unknown condition {condition}"
            if condition == "service_healthy" and "healthcheck" not in services[needed]:
                yield f"{name}: waits for the health of {needed}, which has no healthcheck"
            if (condition == "service_completed_successfully") == _runs_on(services[needed]):
                yield f"{name}: waits for {needed} under {condition}, which does not suit how it runs"
            if not set(services[needed].get("profiles", [])) <= set(service.get("profiles", [])):
                yield f"{name}: depends on {needed}, which its profiles do not start"


def _named_volumes_secrets_and_networks_are_declared(compose: Compose) -> Problems:
    used: dict[str, set[str]] = {"volumes": set(), "secrets": set(), "networks": set()}
    for name, service in _services(compose):
        named = {
            "volumes": {mount.source for mount in mounts(service) if mount.is_named},
            "secrets": set(service.get("secrets", [])),
            "networks": set(service.get("networks", [])),
        }
        for kind, names in named.items():
            used[kind] |= names
            yield from (f"{name}: {kind} has the undeclared {missing}" for missing in names - set(compose[kind]))
    for kind, names in used.items():
        optional = {name for name, details in compose[kind].items() if (details or {}).get("x-optional")}
        yield from (f"{kind}: nothing uses {unused}" for unused in set(compose[kind]) - names - optional)


def _durations_are_durations_and_long_enough(compose: Compose) -> Problems:
    for name, service in _services(compose):
        durations = {"stop_grace_period": service.get("stop_grace_period", "10s")}
        check = service.get("healthcheck", {})
        durations |= {key: check[key] for key in ("interval", "timeout", "start_period") if key in check}
        for key, duration in durations.items():
            try:
                length = seconds(duration)
            except ValueError as error:
                yield f"{name}: {key}: {error}"
                continue
            wish = float(service.get("environment", {}).get("LDNAS_SHUTDOWN_SECONDS", 0))
            if key == "stop_grace_period" and wish and length < wish + _LEAVING_SECONDS:
                yield f"{name}: its {key} is too short for its LDNAS_SHUTDOWN_SECONDS"


def _running_services_have_a_healthcheck_and_end_in_order(compose: Compose) -> Problems:
    for name, service in _services(compose):
        if not _runs_on(service):
            continue
        missing = {"interval", "timeout", "retries", "start_period"} - set(service.get("healthcheck", {}))
        if "healthcheck" not in service or service["healthcheck"].get("disable"):
            yield f"{name}: has no healthcheck"
        elif missing:
            yield f"{name}: its healthcheck leaves {', '.join(sorted(missing))} open"
        if service.get("restart") != "unless-stopped":
            yield f"{name}: is not started again when it ends"
        if "stop_grace_period" not in service:
            yield f"{name}: has no stop_grace_period"


def _containers_are_closed(compose: Compose) -> Problems:
    for name, service in _services(compose):
        if service.get("read_only") is not True:
            yield f"{name}: its root can be written to"
        is_proxy = service.get("profiles") == ["tls"]
        added = service.get("cap_add", [])
        # Caddy's program carries this capability, and cannot be executed where a container may not have it.
        if service.get("cap_drop") != ["ALL"] or (added and not (is_proxy and added == ["NET_BIND_SERVICE"])):
            yield f"{name}: keeps capabilities"
        if service.get("privileged"):
            yield f"{name}: keeps capabilities"
        if "no-new-privileges:true" not in service.get("security_opt", []):
            yield f"{name}: may gain privileges"
        if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user_of(service)):
            yield f"{name}: runs as root, or as a user that is not a number"
        for port in service.get("ports", []):
            if not (port.startswith("127.0.0.1:") or (is_proxy and port.endswith(":8443"))):
                yield f"{name}: publishes {port} beyond loopback"


def user_of(service: Mapping[str, Any]) -> str:
    """Who runs the service: as the compose file says, else as its Dockerfile does last."""
    if "user" in service or "build" not in service:
        return str(service.get("user", ""))
    dockerfile = (ROOT / service["build"]["dockerfile"]).read_text(encoding="utf-8")
    users = re.findall(r"^USER (\S+)$", dockerfile.rpartition("\nFROM ")[2], re.MULTILINE)
    return users[-1] if users else ""


def _images_are_pinned(compose: Compose) -> Problems:
    for name, service in _services(compose):
        if not re.search(r":v?\d+\.\d+(\.\d+)?(-\w+)?$", service.get("image", "")):
            yield f"{name}: its image names no version"


def _settings_are_ours(compose: Compose) -> Problems:
    for name, service in _services(compose):
        for variable, value in service.get("environment", {}).items():
            if variable.startswith("LDNAS_") and variable not in _SETTINGS:
                yield f"{name}: {variable} is not a setting"
            if re.search(r"PASSWORD|SECRET|TOKEN|KEY", variable) and not variable.endswith("_FILE"):
                yield f"{name}: {variable} holds a secret that belongs into a file"
            if re.search(r"://[^/@]*:[^/@]*@", str(value)):
                yield f"{name}: {variable} holds a password"


def _paths_are_mounted(compose: Compose) -> Problems:
    for name, service in _services(compose):
        environment = service.get("environment", {})
        granted = [secret_path(secret) for secret in service.get("secrets", [])]
        for variable, value in environment.items():
            if variable.endswith(("_PASSWORD_FILE", "_KEY_FILE")) and value not in granted:
                yield f"{name}: {variable} names a secret that the service is not given"
        if "LDNAS_HEARTBEAT_FILE" in environment and not is_below(environment["LDNAS_HEARTBEAT_FILE"], tmpfs(service)):
            yield f"{name}: its heartbeat lies on no file system of its own"
        if service.get("command", [])[1:] in (["api"], ["worker"]):
            for variable in ("LDNAS_HOME", "LDNAS_ARTIFACT_URL"):
                if not is_below(environment[variable], writable(service)):
                    yield f"{name}: cannot write to {variable}"
            if not is_below(environment["LDNAS_DATASET_ROOTS"], [mount.target for mount in mounts(service)]):
                yield f"{name}: has no volume at LDNAS_DATASET_ROOTS"


def _hosts_can_be_reached(compose: Compose) -> Problems:
    for name, service in _services(compose):
        for variable, value in service.get("environment", {}).items():
            if not re.match(r"(postgresql(\+psycopg)?|rediss?)://", str(value)):
                continue
            host = urlsplit(value).hostname or ""
            other = compose["services"].get(host)
            if other is None:
                yield f"{name}: {variable} names the unknown host {host}"
            elif not set(service.get("networks", [])) & set(other.get("networks", [])):
                yield f"{name}: shares no network with {host}"


def _gpus_are_asked_for_properly(compose: Compose) -> Problems:
    for name, service in _services(compose):
        resources = service.get("deploy", {}).get("resources", {})
        devices = resources.get("reservations", {}).get("devices", [])
        if "gpu" in service.get("profiles", []) and not devices:
            yield f"{name}: is for GPUs and reserves none"
        for device in devices:
            if ("count" in device) == ("device_ids" in device):
                yield f"{name}: a device reservation has either count or device_ids"
            if "gpu" not in device.get("capabilities", []):
                yield f"{name}: a device reservation lacks the capability gpu"
            if device.get("driver") != "nvidia":
                yield f"{name}: a device reservation names a driver other than nvidia"


_RULES: tuple[Callable[[Compose], Problems], ...] = (
    _dependencies_are_there,
    _named_volumes_secrets_and_networks_are_declared,
    _durations_are_durations_and_long_enough,
    _running_services_have_a_healthcheck_and_end_in_order,
    _containers_are_closed,
    _images_are_pinned,
    _settings_are_ours,
    _paths_are_mounted,
    _hosts_can_be_reached,
    _gpus_are_asked_for_properly,
)
