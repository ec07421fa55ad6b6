"""Observations of networks on one target, kept under (network, data, recipe): none is ever computed twice."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors

from ldnas.digests import json_digest
from ldnas.distance.batch_norm import gather_batch_norm_statistics
from ldnas.distance.observation import Observation, observe
from ldnas.fisher import FisherDiagonal
from ldnas.networks.build import build_network
from ldnas.networks.classifier import Classifier
from ldnas.recipe import Recipe
from ldnas.seeding import derive_seed
from worker.registry.models import Network
from worker.stages.context import JobContext
from worker.stages.fit import load_task_network
from worker.stages.resolve import ResolvedTask


class Observations:
    """The networks of one column of the distance matrix, as they are seen on the target's training images.

    `keep_diagonal` says whether whole Fisher diagonals are kept too (four bytes for each parameter), for measures
    that compare them.
    """

    def __init__(self, context: JobContext, target: ResolvedTask, *, keep_diagonal: bool) -> None:
        self._context = context
        self._target = target
        self._keep_diagonal = keep_diagonal
        self._done = 0
        self.expected = 0

    @property
    def data_key(self) -> str:
        """The key of the images that everything is seen on."""
        return self._target.data_key

    def of_network(self, network: Network, recipe: Recipe) -> Observation:
        """A kept task network."""
        return self._observation(network.key, recipe, lambda: load_task_network(self._context, network))

    def of_untrained(self, repetition: int, recipe: Recipe) -> Observation:
        """A fresh network of the target's architecture, its batch norm fitted to the target's images."""
        target = self._target
        seed = derive_seed(0, "untrained", repetition)

        def build() -> Classifier:
            network = build_network(target.architecture, classes=target.classes, seed=seed).to(self._context.device)
            gather_batch_norm_statistics(network, target.proxy.train)
            return network

        return self._observation(f"untrained:{target.architecture}:{repetition}", recipe, build)

    def _observation(self, network_key: str, recipe: Recipe, load: Callable[[], Classifier]) -> Observation:
        identity = {"network": network_key, "data": self.data_key, "recipe": recipe.digest}
        key = json_digest({"what": "observation", "diagonal": self._keep_diagonal, **identity})
        observation = self._kept(key)
        if observation is None:
            observation = observe(
                load(),
                self._target.proxy.train,
                classes=self._target.classes,
                recipe=recipe,
                keep_diagonal=self._keep_diagonal,
            )
            self._keep(key, network_key, recipe, observation)
        self._done += 1
        self.expected = max(self.expected, self._done)
        self._context.progress(self._done / self.expected, f"network {self._done} of {self.expected}")
        return observation

    def _kept(self, key: str) -> Observation | None:
        with self._context.reading() as registry:
            row = registry.results.fisher_summary(key)
        if row is None:
            return None
        observation = Observation.from_json(row.summary)
        diagonal = row.summary.get("diagonal")
        if diagonal is None:
            return observation
        if not self._context.store.path(diagonal["artifact"]).exists():
            return None
        loaded = load_safetensors(self._context.store.read(diagonal["artifact"]))
        layers = tuple(tuple(names) for names in diagonal["layers"])
        blocks = {name: loaded[name] for names in layers for name in names}  # the file's order is no order
        return replace(observation, diagonal=FisherDiagonal(blocks, row.samples, layers))

    def _keep(self, key: str, network_key: str, recipe: Recipe, observation: Observation) -> None:
        summary: dict[str, Any] = observation.to_json()
        content = b""
        if observation.diagonal is not None:
            content = save_safetensors({name: block.cpu() for name, block in observation.diagonal.blocks.items()})
            summary["diagonal"] = {
                "artifact": self._context.store.put(content),
                "layers": [list(names) for names in observation.diagonal.layers],
            }
        with self._context.unit_of_work() as registry:
            if content:
                registry.results.keep_artifact(
                    summary["diagonal"]["artifact"], len(content), "application/octet-stream"
                )
            registry.results.keep_fisher_summary(
                key=key,
                network_key=network_key,
                data_key=self.data_key,
                recipe_digest=recipe.digest,
                summary=summary,
                samples=min(recipe.samples, len(self._target.proxy.train)),
            )
