"""`load_network`: the network in the caller's torch, built here from data, whatever else the service has to offer."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import torch

from ldnas.export.formats import save_weights
from ldnas.networks.design import PlainDesign
from ldnas.networks.designed import build_designed
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import Skeleton, Stage
from service.client import Client
from service.client.documents import Recommendation, read
from service.client.errors import NoClientError, NoNetworkError, UnusableNetworkError

Answering = Callable[..., Client]

GENOTYPE = Genotype(("sep_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "identity", "avg_pool_3x3", "conv_7x1_1x7"))
NETWORK = build_cell_network(GENOTYPE, Skeleton(8, 2, 4, (Stage(4, 1),)), seed=3).eval()
ARCHITECTURE = {
    "id": "a1",
    "name": "primes",
    "genotype": GENOTYPE.to_json(),
    "skeleton": NETWORK.skeleton.to_json(),
    "class_names": ["prime", "rest"],
}


class Service:
    """Has one network, with code and a program that the client must not request."""

    def __init__(self) -> None:
        self.architecture: dict[str, Any] = dict(ARCHITECTURE)
        self.network: torch.nn.Module = NETWORK
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if request.url.path.endswith("/weights"):
            return httpx.Response(200, content=save_weights(self.network, {}))
        if request.url.path == "/v1/recommendations/r1":
            return httpx.Response(200, json={"id": "r1", "state": "succeeded", "architecture": {"id": "a1"}})
        return httpx.Response(200, json=self.architecture)


def test_an_answer_and_an_architecture_give_their_network(answering: Answering) -> None:
    service = Service()
    client = answering(service)
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        expected = NETWORK(images)
        assert torch.equal(client.get_recommendation("r1").load_network()(images), expected)
        assert torch.equal(client.architecture("a1").load_network()(images), expected)
    assert {path.rpartition("/")[2] for path in service.asked} == {"r1", "a1", "weights"}


def test_a_network_without_a_cell_is_built_from_its_design(answering: Answering) -> None:
    design, service = PlainDesign(width=2, image_size=8, classes=2), Service()
    service.network = build_designed(design, seed=3).eval()
    service.architecture |= {"design": design.to_json(), "genotype": None, "skeleton": None}
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        assert torch.equal(answering(service).load_network("a1")(images), service.network(images))


def test_a_network_that_cannot_be_built_here_is_refused(answering: Answering) -> None:
    service = Service()
    service.architecture["genotype"] = {"edges": [[0, 1, "conv_of_tomorrow"]]}
    with pytest.raises(UnusableNetworkError, match="architecture a1 cannot be built here"):
        answering(service).load_network("a1")
    service.architecture = {"id": "a1"}
    with pytest.raises(UnusableNetworkError):
        answering(service).load_network("a1")


def test_without_a_network_or_a_client_there_is_nothing_to_load(answering: Answering) -> None:
    unfinished = read(Recommendation, {"id": "r1", "name": "primes", "state": "running"}, answering(Service()))
    with pytest.raises(NoNetworkError, match="primes is running and has no network"):
        unfinished.load_network()
    kept = read(Recommendation, {"id": "r1", "state": "succeeded", "architecture": {"id": "a1"}})
    with pytest.raises(NoClientError, match=r"Client\.load_network"):
        kept.load_network()


@pytest.mark.parametrize(
    ("package", "design"),
    [("torch", {}), ("timm", {"kind": "pretrained", "name": "tf_efficientnet_lite0", "image_size": 32, "classes": 2})],
)
def test_the_client_says_what_brings_a_package_that_is_missing(package: str, design: dict[str, Any]) -> None:
    code = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)
sys.meta_path.insert(0, Blocked())
import httpx
from service.client import Client
document = {{"id": "a1", "genotype": {{"edges": []}}, "skeleton": {{}}, "design": {design!r}}}
Client("http://x", transport=httpx.MockTransport(lambda request: httpx.Response(200, json=document))).load_network("a1")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert f"MissingPackageError: {package} is not installed; run pip install 'ldnas[worker]'" in done.stderr
