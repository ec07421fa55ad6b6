"""The objects of the kustomize folder, as `kubectl kustomize` builds them, without the hashes in generated names.

It knows the few fields that `deploy/kubernetes` uses, and refuses others. Where kubectl is installed,
`test_kubernetes.py` compares it with the output of that program.
"""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.deployment.compose import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"

Object = dict[str, Any]

_KNOWN = {"apiVersion", "kind", "namespace", "resources", "images", "configMapGenerator", "secretGenerator"}
_CLUSTER_WIDE = {"Namespace"}
_WORKLOADS = {"Deployment", "StatefulSet", "Job"}


def load(overlay: str, folder: Path = FOLDER) -> list[Object]:
    """Every object of `cpu`, `gpu` or `base`."""
    return _built(folder / overlay)


def read(path: Path) -> list[Object]:
    """The documents of one file."""
    return [document for document in YAML(typ="safe").load_all(path.read_text(encoding="utf-8")) if document]


def _built(folder: Path) -> list[Object]:
    (kustomization,) = read(folder / "kustomization.yaml")
    if unknown := set(kustomization) - _KNOWN:
        raise ValueError(
            f"{folder}/kustomization.yaml: {', '.join(sorted(unknown))}; known are {', '.join(sorted(_KNOWN))}"
        )
    objects: list[Object] = []
    for name in kustomization["resources"]:
        resource = folder / name
        objects += _built(resource.resolve()) if resource.is_dir() else read(resource)
    objects += [_settings(folder, generator) for generator in kustomization.get("configMapGenerator", [])]
    objects += [_secret(generator) for generator in kustomization.get("secretGenerator", [])]
    for document in objects:
        if document["kind"] not in _CLUSTER_WIDE:
            document["metadata"]["namespace"] = kustomization["namespace"]
    for image in kustomization.get("images", []):
        for container in containers(objects):
            if container["image"] == image["name"]:
                container["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"
    return objects


def _settings(folder: Path, generator: Object) -> Object:
    lines = [line for name in generator["envs"] for line in (folder / name).read_text(encoding="utf-8").splitlines()]
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": dict(pairs)}


def _secret(generator: Object) -> Object:
    """A Secret with the names of its files; an operator makes their content."""
    data = {Path(name).name: base64.b64encode(b"secret").decode() for name in generator["files"]}
    kind = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque"}
    return {**kind, "metadata": {"name": generator["name"]}, "data": data}


def workloads(objects: Iterable[Object]) -> dict[str, Object]:
    """Deployments, StatefulSets and Jobs, by name."""
    return {found["metadata"]["name"]: found for found in objects if found["kind"] in _WORKLOADS}


def pod(workload: Object) -> Object:
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Object) -> Object:
    """The only container of a workload."""
    (only,) = pod(workload)["containers"]
    return only


def containers(objects: Iterable[Object]) -> list[Object]:
    return [found for workload in workloads(objects).values() for found in pod(workload)["containers"]]


def named(objects: Iterable[Object], kind: str, name: str) -> Object | None:
    return next((found for found in objects if (found["kind"], found["metadata"]["name"]) == (kind, name)), None)
