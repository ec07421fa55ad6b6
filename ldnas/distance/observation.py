"""Observes one network on a target's images: its Fisher diagonal and its features."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.distance.log_det import LogDetSummary
from ldnas.distance.logme import log_me
from ldnas.errors import DivergedNetworkError
from ldnas.fisher import (
    FisherDiagonal,
    batch_mean_squares,
    empirical_fisher_diagonal,
    exact_fisher_diagonal,
    monte_carlo_fisher_diagonal,
)
from ldnas.networks.classifier import Classifier
from ldnas.recipe import Recipe
from ldnas.seeding import derive_seed
from ldnas.training.micro_batches import MicroBatches, even_parts

GROUPS = 16
"""The number of groups of images for the jackknife; their sizes differ by one image at most."""

_SMALLEST = 16
"""The fewest images in a group; few images make fewer groups."""

_STATISTICS_BATCH = 64

Batches = Iterator[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Observation:
    """One network on one target's images under one recipe: everything that any measure needs.

    Attributes:
        log_det: the log-determinant sums of its Fisher diagonal.
        logme: the evidence of its features for the target's labels (`ldnas.distance.logme`), in nats per image.
        diagonal: the Fisher diagonal itself, on the CPU, if the caller asked for it.
    """

    log_det: LogDetSummary
    logme: float
    diagonal: FisherDiagonal | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Observation":
        return cls(LogDetSummary.from_json(value["log_det"]), float(value["logme"]))

    def to_json(self) -> dict[str, Any]:
        """All fields but the diagonal, with the standard error of L over draws of the images in nats per parameter."""
        return {
            "log_det": self.log_det.to_json(),
            "logme": self.logme,
            "standard_error": self.log_det.standard_error,
        }


class GrowingObservation:
    """Observes one network on more and more of a target's images; each step computes only those that are new.

    The images are drawn from a fixed constant, so every network of every task sees the same ones on a target, and those
    of a smaller M are among those of a larger one. The features, the probe and LogME are those of the whole recipe from
    the first step on. The network itself does not change.

    Raises:
        DivergedNetworkError: the network's features on these images are not finite numbers.
        OutOfMemoryError: memory does not suffice for one image.
        ValueError: `recipe.head` is `own`, and the network has fewer outputs than the target has classes.
    """

    def __init__(
        self,
        network: Classifier,
        images: ImageSet,
        *,
        classes: int,
        recipe: Recipe,
        micro_batches: MicroBatches | None = None,
    ) -> None:
        micro_batches = micro_batches or MicroBatches()
        self._device = next(network.parameters()).device
        observed = copy.deepcopy(network).eval().to(memory_format=torch.channels_last)
        for_probe = draw(images, recipe.probe_images, "probe").to(self._device)
        features = _features(observed, for_probe, recipe, micro_batches)
        if not torch.isfinite(features).all():
            raise DivergedNetworkError("the network's features are not finite numbers: its training diverged")
        if recipe.head == "probe":
            observed.head = fit_probe(features, for_probe.labels, classes=classes, l2=recipe.probe_l2)
        else:
            observed.head = _own_head(observed.head, classes, padded=recipe.head == "zero_padded")
        counted = None if recipe.parameters == "all" else observed.backbone_parameters()
        self._logme = log_me(features, for_probe.labels)
        self._recipe = recipe
        self._images = images
        self._order = _order(images, recipe.samples, "fisher", in_order=recipe.variant == "batch_mean")
        self._diagonal_of = _variant(recipe, observed, classes, counted, micro_batches)
        self._groups: dict[tuple[int, int], FisherDiagonal] = {}

    def observe(self, samples: int | None = None, *, groups: int = GROUPS, keep_diagonal: bool = False) -> Observation:
        """The observation on the first `samples` of the recipe's images, on all of them by default.

        A group of images that consists of groups of earlier steps is put together from them.

        Args:
            samples: at least as many as in the step before.
            groups: of images for the jackknife, at most; with few images there are fewer.
            keep_diagonal: whether the observation carries its diagonal.
        """
        count = len(self._order) if samples is None else min(samples, len(self._order))
        parts = torch.arange(count).tensor_split(_groups(count, groups, self._recipe))
        diagonals = {(int(part[0]), int(part[-1]) + 1): self._group(int(part[0]), int(part[-1]) + 1) for part in parts}
        self._groups = diagonals
        seen = list(diagonals.values())
        return Observation(
            log_det=LogDetSummary.of_groups(seen, damping=self._recipe.damping, scaling=self._recipe.scaling),
            logme=self._logme,
            diagonal=_mean(seen) if keep_diagonal else None,
        )

    def _group(self, start: int, end: int) -> FisherDiagonal:
        inside = [diagonal for (first, last), diagonal in self._groups.items() if start <= first and last <= end]
        if sum(diagonal.samples for diagonal in inside) == end - start:
            return inside[0] if len(inside) == 1 else _merged(inside)
        return self._pass(start, end)

    def _pass(self, start: int, end: int) -> FisherDiagonal:
        chosen = self._images.subset(self._order[start:end]).to(self._device)
        return _regrouped(self._diagonal_of(chosen), self._recipe)


def observe(
    network: Classifier,
    images: ImageSet,
    *,
    classes: int,
    recipe: Recipe,
    keep_diagonal: bool = False,
    micro_batches: MicroBatches | None = None,
) -> Observation:
    """Observe `network` on all of the recipe's images of a target task (errors as `GrowingObservation` has them)."""
    growing = GrowingObservation(network, images, classes=classes, recipe=recipe, micro_batches=micro_batches)
    return growing.observe(keep_diagonal=keep_diagonal)


def draw(images: ImageSet, count: int, purpose: str, *, in_order: bool = False) -> ImageSet:
    """At most `count` of the images; which, and their order, depends on their number and on `purpose` alone.

    With `in_order` they are in the order of the data set, for a variant that depends on which images share a batch.
    """
    return images.subset(_order(images, count, purpose, in_order=in_order))


def _order(images: ImageSet, count: int, purpose: str, *, in_order: bool) -> Tensor:
    generator = torch.Generator().manual_seed(derive_seed(0, "distance", purpose))
    chosen = torch.randperm(len(images), generator=generator)[:count]
    return chosen.sort().values if in_order else chosen


def batches(images: ImageSet, size: int) -> Batches:
    """Normalised inputs `[N, 3, S, S]` and labels `[N]`, `size` images at a time."""
    for inputs, labels in zip(images.images.split(size), images.labels.split(size), strict=True):
        yield normalise(inputs).contiguous(memory_format=torch.channels_last), labels


def fit_probe(features: Tensor, labels: Tensor, *, classes: int, l2: float) -> nn.Linear:
    """A multinomial logistic head for raw features `[N, D]` and labels `[N]`, in float32.

    It makes networks of different tasks comparable on one target.

    Minimises (1/N) Σ_i cross-entropy(W z_i + b, y_i) + l2/2 · ‖W‖² over standardised features z by L-BFGS from zero,
    in float64, and folds the standardisation into the returned layer. The problem is convex and starts from a point
    that treats all classes equally, so renumbering the classes only permutes the rows of the result.
    """
    features = features.double()
    mean = features.mean(dim=0)
    deviation = features.std(dim=0, correction=0).clamp_min(1e-6)
    standardised = (features - mean) / deviation
    weight, bias = (
        torch.zeros(shape, dtype=torch.float64, device=features.device, requires_grad=True)
        for shape in ((classes, features.shape[1]), (classes,))
    )
    targets = F.one_hot(labels, classes).double()
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=300, tolerance_grad=1e-7, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    @torch.no_grad()
    def objective() -> float:
        # On such small matrices the gradient in closed form takes a fifth to a third less time than autograd.
        log_shares = torch.log_softmax(torch.addmm(bias, standardised, weight.T), dim=1)
        errors = (log_shares.exp() - targets) / len(labels)
        weight.grad = torch.addmm(weight, errors.T, standardised, beta=l2)
        bias.grad = errors.sum(dim=0)
        return float(l2 / 2 * weight.square().sum() - (log_shares * targets).sum() / len(labels))

    optimizer.step(objective)
    head = nn.Linear(features.shape[1], classes, device=features.device)
    with torch.no_grad():
        folded = weight / deviation
        head.weight.copy_(folded)
        head.bias.copy_(bias - folded @ mean)
    return head


def gather_batch_norm_statistics(
    network: nn.Module, images: ImageSet, *, samples: int = 1024, micro_batches: MicroBatches | None = None
) -> None:
    """Set the running statistics of every batch norm to the averages over target images, and switch to eval mode.

    An untrained network with such statistics is the reference of `no_close_task`.

    At most `samples` images, drawn from a fixed constant, in batches of one size, since every batch weighs the same.

    Raises:
        OutOfMemoryError: memory does not suffice for the fewest images that the network can take.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = None  # a cumulative average instead of an exponential one
    network.train()
    device = next(network.parameters()).device
    count = min(samples, len(images))
    whole_batches = max(count - count % _STATISTICS_BATCH, min(count, _STATISTICS_BATCH))
    drawn = draw(images, whole_batches, "statistics").to(device).images

    @torch.no_grad()
    def attempt(size: int) -> None:
        for norm in norms:
            norm.reset_running_stats()
        for part in even_parts(drawn, size):
            network(normalise(part).contiguous(memory_format=torch.channels_last))

    most = min(_STATISTICS_BATCH, len(drawn))
    (micro_batches or MicroBatches()).run(most, attempt, network=network, image_size=drawn.shape[-1])
    network.eval()


def _features(network: Classifier, images: ImageSet, recipe: Recipe, micro_batches: MicroBatches) -> Tensor:
    @torch.no_grad()
    def attempt(size: int) -> Tensor:
        return torch.cat([network.features(inputs) for inputs, _ in batches(images, size)])

    most = min(recipe.batch_size, len(images))
    return micro_batches.run(most, attempt, network=network, image_size=images.images.shape[-1])


def _variant(
    recipe: Recipe, network: Classifier, classes: int, counted: Sequence[str] | None, micro_batches: MicroBatches
) -> Callable[[ImageSet], FisherDiagonal]:
    if recipe.variant == "batch_mean":  # its value depends on the batches, so it divides them itself
        return lambda images: batch_mean_squares(
            network, batches(images, recipe.batch_size), parameters=counted, micro_batches=micro_batches
        )
    diagonal_of = _sample_variant(recipe, network, classes, counted)

    def within_memory(images: ImageSet) -> FisherDiagonal:
        most = min(recipe.batch_size, len(images))
        size = images.images.shape[-1]
        return micro_batches.run(most, lambda at: diagonal_of(batches(images, at)), network=network, image_size=size)

    return within_memory


def _sample_variant(
    recipe: Recipe, network: Classifier, classes: int, counted: Sequence[str] | None
) -> Callable[[Batches], FisherDiagonal]:
    if recipe.variant == "empirical":
        return lambda pairs: empirical_fisher_diagonal(network, pairs, parameters=counted)
    if recipe.variant == "exact":
        return lambda pairs: exact_fisher_diagonal(
            network, (inputs for inputs, _ in pairs), classes=network.head.out_features, parameters=counted
        )
    generator = torch.Generator().manual_seed(derive_seed(0, "distance", "labels"))
    return lambda pairs: monte_carlo_fisher_diagonal(
        network, (inputs for inputs, _ in pairs), generator=generator, parameters=counted
    )


def _regrouped(diagonal: FisherDiagonal, recipe: Recipe) -> FisherDiagonal:
    if recipe.first_axis == "mean":
        averaged = {name: block.mean(dim=0).expand_as(block) for name, block in diagonal.blocks.items()}
        diagonal = replace(diagonal, blocks=averaged)
    if recipe.grouping == "tensor":
        diagonal = replace(diagonal, layers=tuple((name,) for name in diagonal.blocks))
    return diagonal


def _groups(images: int, most: int, recipe: Recipe) -> int:
    """The number of groups of images; one where squares of batches do not add up."""
    return 1 if recipe.variant == "batch_mean" else min(most, max(1, images // _SMALLEST))


def _mean(groups: Sequence[FisherDiagonal]) -> FisherDiagonal:
    """The diagonal over the images of all groups, on the CPU."""
    merged = _merged(groups)
    return replace(merged, blocks={name: block.to("cpu") for name, block in merged.blocks.items()})


def _merged(groups: Sequence[FisherDiagonal]) -> FisherDiagonal:
    """The diagonal over the images of all groups."""
    samples = sum(group.samples for group in groups)
    blocks = {}
    for name, block in groups[0].blocks.items():
        total = torch.stack([group.blocks[name].double() * group.samples for group in groups]).sum(dim=0)
        blocks[name] = (total / samples).to(block.dtype)
    return FisherDiagonal(blocks, samples, groups[0].layers)


def _own_head(head: nn.Linear, classes: int, *, padded: bool) -> nn.Linear:
    if head.out_features >= classes:
        return head
    if not padded:
        raise ValueError(
            f"the network has {head.out_features} outputs and the target {classes} classes: with head 'own' every "
            "network needs an output for each class (train it with more classes), or take head 'zero_padded'"
        )
    return _ZeroPadded(head, classes)


class _ZeroPadded(nn.Linear):
    """A head with zero logits for the classes that the network was not trained on."""

    def __init__(self, head: nn.Linear, classes: int) -> None:
        super().__init__(head.in_features, head.out_features)
        self.weight, self.bias = head.weight, head.bias
        self._missing = classes - head.out_features
        self.out_features = classes

    def forward(self, features: Tensor) -> Tensor:
        return F.pad(super().forward(features), (0, self._missing))
