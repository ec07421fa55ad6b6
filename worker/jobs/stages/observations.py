"""Observations of networks on one target, stored under (network, data, recipe), so that each is computed once."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors

from ldnas.digests import json_digest
from ldnas.distance.observation import (
    GrowingObservation,
    Observation,
    gather_batch_norm_statistics,
    observe,
)
from ldnas.fisher import FisherDiagonal
from ldnas.networks.build import build_network
from ldnas.networks.classifier import Classifier
from ldnas.recipe import Recipe
from ldnas.seeding import derive_seed
from worker.jobs.context import JobContext
from worker.jobs.stages.fit import load_task_network
from worker.jobs.stages.resolve import ResolvedTask
from worker.registry import UNTRAINED, NetworkRow

_BYTES_A_PARAMETER = 4 * 9
"""Memory of a network between two steps: its weights, and at most eight diagonals."""

_MOST_GROWING_BYTES = 512 * 2**20


class Observations:
    """Observes the networks of one column of the distance matrix on the target's training images.

    `with_diagonals`: whether the measures compare whole Fisher diagonals (four bytes per parameter). Then the diagonals
        of `recipe`, the column's own, are stored too, but not those of its smaller rounds.
    """

    def __init__(self, context: JobContext, target: ResolvedTask, recipe: Recipe, *, with_diagonals: bool) -> None:
        self._context = context
        self._target = target
        self._recipe = recipe
        self._with_diagonals = with_diagonals
        self._growing: dict[str, GrowingObservation] = {}
        self._seconds: dict[str, float] = {}
        self._done = 0
        self.expected = 0

    @property
    def data_key(self) -> str:
        """The key of the images that all networks are observed on."""
        return self._target.data_key

    def of_network(self, network: NetworkRow, recipe: Recipe, *, groups: int | None = None) -> Observation:
        """Observe a stored task network; in so many groups of images, as a step that the next one continues."""
        return self._observation(network.key, recipe, lambda: load_task_network(self._context, network), groups)

    def of_untrained(self, repetition: int, recipe: Recipe, *, groups: int | None = None) -> Observation:
        """Observe a fresh network of the target's architecture, with batch norm fitted to the target's images."""
        target = self._target
        seed = derive_seed(0, "untrained", repetition)

        def build() -> Classifier:
            compute = self._context.compute
            network = build_network(target.architecture, classes=target.classes, seed=seed).to(compute.device)
            gather_batch_norm_statistics(network, target.proxy.train, micro_batches=compute.micro_batches)
            return network

        return self._observation(f"{UNTRAINED}{target.architecture}:{repetition}", recipe, build, groups)

    def can_grow(self, networks: Iterable[NetworkRow], own: NetworkRow) -> bool:
        """Whether steps can save work: no network is observed in full yet, and memory suffices to continue them all."""
        networks = list(networks)
        if any(self._stored(_Keys.of(network.key, self.data_key, self._recipe)) for network in networks):
            return False
        parameters = sum(parameter.numel() for parameter in load_task_network(self._context, own).parameters())
        return len(networks) * parameters * _BYTES_A_PARAMETER <= _MOST_GROWING_BYTES

    def _observation(
        self, network_key: str, recipe: Recipe, load: Callable[[], Classifier], groups: int | None
    ) -> Observation:
        keys = _Keys.of(network_key, self.data_key, recipe)
        observation = self._stored(keys)
        if observation is None:
            started = time.monotonic()
            observation = self._observe(network_key, recipe, load, groups)
            self._seconds[network_key] = self._seconds.get(network_key, 0.0) + time.monotonic() - started
            self._store(keys, network_key, recipe, observation, seconds=self._seconds[network_key])
        if groups is None:
            self._growing.pop(network_key, None)
            self._seconds.pop(network_key, None)
        self._done += 1
        self.expected = max(self.expected, self._done)
        self._context.progress(self._done / self.expected, f"network {self._done} of {self.expected}")
        return observation

    def _observe(
        self, network_key: str, recipe: Recipe, load: Callable[[], Classifier], groups: int | None
    ) -> Observation:
        images, classes = self._target.proxy.train, self._target.classes
        micro_batches = self._context.compute.micro_batches
        growing = self._growing.get(network_key)
        if groups is not None:
            if growing is None:
                growing = GrowingObservation(
                    load(), images, classes=classes, recipe=self._recipe, micro_batches=micro_batches
                )
                self._growing[network_key] = growing
            return growing.observe(recipe.samples, groups=groups)
        if growing is not None:
            return growing.observe()
        return observe(
            load(),
            images,
            classes=classes,
            recipe=recipe,
            keep_diagonal=self._with_diagonals,
            micro_batches=micro_batches,
        )

    def _stored(self, keys: "_Keys") -> Observation | None:
        with self._context.reading() as registry:
            row = registry.results.fisher_summary(keys.diagonal if self._with_diagonals else keys.sums)
        if row is None:
            return None
        observation = Observation.from_json(row.summary)
        seconds = row.summary.get("seconds", 0.0)
        if not self._with_diagonals:
            self._context.found(seconds)
            return observation
        diagonal = row.summary["diagonal"]
        if not self._context.store.exists(diagonal["artifact"]):
            return None
        self._context.found(seconds)
        loaded = load_safetensors(self._context.store.read(diagonal["artifact"]))
        layers = tuple(tuple(names) for names in diagonal["layers"])
        blocks = {name: loaded[name] for names in layers for name in names}  # the file's order is arbitrary
        return replace(observation, diagonal=FisherDiagonal(blocks, row.samples, layers))

    def _store(
        self, keys: "_Keys", network_key: str, recipe: Recipe, observation: Observation, *, seconds: float
    ) -> None:
        summary = {**observation.to_json(), "seconds": seconds}
        rows: list[tuple[str, dict[str, Any]]] = [(keys.sums, summary)]
        content = b""
        if observation.diagonal is not None and recipe == self._recipe:
            content = save_safetensors(dict(observation.diagonal.blocks))
            artifact = self._context.store.put(content)
            layers = [list(names) for names in observation.diagonal.layers]
            diagonal = {"artifact": artifact, "layers": layers}
            rows.append((keys.diagonal, {**summary, "diagonal": diagonal}))
        with self._context.unit_of_work() as registry:
            if content:
                registry.results.store_artifact(artifact, len(content), "application/octet-stream")
            for key, stored in rows:
                registry.results.store_fisher_summary(
                    key=key,
                    network_key=network_key,
                    data_key=self.data_key,
                    recipe_digest=recipe.digest,
                    summary=stored,
                    samples=min(recipe.samples, len(self._target.proxy.train)),
                )


@dataclass(frozen=True)
class _Keys:
    """The content keys of an observation: of its sums, and of its sums with the diagonal."""

    sums: str
    diagonal: str

    @classmethod
    def of(cls, network_key: str, data_key: str, recipe: Recipe) -> "_Keys":
        identity = {"network": network_key, "data": data_key, "recipe": recipe.digest}
        return cls(*(json_digest({"what": what, **identity}) for what in ("observation", "observed diagonal")))
