"""The base of the strategies whose candidates share the weights of one supernet.

An iteration trains the supernet and the learner that chooses from it, then scores candidates by the supernet's weights
on their paths. No cell has these weights to itself, so the scores are lower, and closer to each other, than those of
networks trained alone. In scoring as in training the supernet normalises each batch by itself.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchProblem, SearchRun, StrategyDefaults
from ldnas.search.progress import Iteration, SearchProgress, run_iterations, search_key
from ldnas.search.results import IterationRecord, ScoredGenotype, SearchEvent, SearchOutcome, ranked
from ldnas.search.tensors import load_optimizer_tensors, optimizer_tensors, tensors_from_json, tensors_to_json
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.space.supernet import build_supernet
from ldnas.training.micro_batches import even_parts
from ldnas.training.train import evaluate_logits, iterate_minibatches

T = TypeVar("T")

_MOMENTUM = 0.9
_WEIGHT_DECAY = 3e-4
_LARGEST_GRADIENT = 5.0
_LOWEST_RATE = 0.04  # the learning rate's end as a fraction of its start: DARTS's 0.001 of 0.025
_SCORED_IMAGES = 256


@dataclass(frozen=True)
class SharedWeightsConfig:
    """Settings of the supernet's training, those of DARTS (appendix A.1.1) scaled down to small data.

    Attributes:
        iterations: T, iterations of a whole search; the learning rate falls over them on a cosine to 4 % of its
            start, and the search ends after them.
        weight_epochs: passes over the training images per iteration.
        weight_learning_rate: of SGD on the weights (momentum 0.9, weight decay 3e-4, gradient norm cut at 5).
        batch_size: images per step.

    Raises:
        InvalidSearchError: a setting is not positive.
    """

    iterations: int = 30
    weight_epochs: int = 1
    weight_learning_rate: float = 0.1
    batch_size: int = 64

    may_be_zero: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (value > 0 or (value == 0 and name in self.may_be_zero)):
                least = "at least 0" if name in self.may_be_zero else "more than 0"
                raise InvalidSearchError(f"{name} is {least}, not {value}", field=f"search.{name}")


class SharedWeights:
    """The supernet of a problem with the optimizer of its weights."""

    def __init__(self, problem: SearchProblem, config: SharedWeightsConfig, *, seed: int, partial: int = 1) -> None:
        self._problem = problem
        self._config = config
        self._seed = seed
        device = problem.compute.device
        network = build_supernet(problem.space, problem.skeleton, partial=partial, seed=derive_seed(seed, "weights"))
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimizer = torch.optim.SGD(
            self.network.parameters(), config.weight_learning_rate, momentum=_MOMENTUM, weight_decay=_WEIGHT_DECAY
        )
        # Shuffled batches, not sorted by class, since each is normalised by itself.
        order = torch.randperm(
            len(problem.validation), generator=torch.Generator().manual_seed(derive_seed(seed, "validation"))
        )
        self._validation = problem.validation.subset(order.to(device))

    def learning_rate(self, iteration: int) -> float:
        """That of the weights in an iteration: a cosine from the start to `_LOWEST_RATE` of it."""
        fall = (1 - math.cos(math.pi * min(iteration / self._config.iterations, 1.0))) / 2
        return self._config.weight_learning_rate * (1 - (1 - _LOWEST_RATE) * fall)

    def training_batches(self, iteration: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The iteration's batches of training images [B, 3, S, S] and labels [B], with its learning rate set."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate(iteration)
        for epoch in range(self._config.weight_epochs):
            yield from self._batches(self._problem.train, iteration, "train", epoch)

    def validation_batches(self, iteration: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of validation images and labels endlessly, every image once before any image repeats."""
        epoch = 0
        while True:
            yield from self._batches(self._problem.validation, iteration, "validation", epoch)
            epoch += 1

    def step(self, inputs: Tensor, labels: Tensor, choice: Tensor | Genotype) -> None:
        """Take one step of the weights down the training loss of the mixture or of the path."""
        self._problem.compute.micro_batches.backward(
            self.network,
            (inputs, labels),
            lambda inputs, labels: F.cross_entropy(self.network(inputs, choice), labels),
            image_size=inputs.shape[-1],
        )
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        self._optimizer.step()

    def in_memory(self, most: int, attempt: Callable[[int], T]) -> T:
        """Run `attempt` with `most` images at a time, or as many as fit in memory, and return its result."""
        size = self._problem.skeleton.image_size
        return self._problem.compute.micro_batches.run(most, attempt, network=self.network, image_size=size)

    @torch.no_grad()
    def accuracy(self, genotype: Genotype, inputs: Tensor, labels: Tensor) -> float:
        """The fraction of a batch that the genotype's path classifies right, in [0, 1]."""

        def predict(size: int) -> Tensor:
            return torch.cat([self.network(part, genotype).argmax(dim=1) for part in even_parts(inputs, size)])

        return float((self.in_memory(len(inputs), predict) == labels).double().mean())

    @torch.no_grad()
    def score(self, genotype: Genotype, *, epochs: int) -> ScoredGenotype:
        """The genotype's scores on all validation images, by the supernet's weights on its path."""
        images = self._validation.images
        most = math.ceil(len(images) / math.ceil(len(images) / _SCORED_IMAGES))

        def predict(size: int) -> Tensor:
            chunks = images.split(size) if size == most else even_parts(images, size)
            return torch.cat([self.network(normalise(chunk), genotype) for chunk in chunks])

        logits = self.in_memory(most, predict)
        evaluation = evaluate_logits(logits.cpu(), self._validation.labels.cpu())
        return ScoredGenotype(genotype, evaluation.accuracy, evaluation.balanced_accuracy, epochs)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that training changes, as the state to resume from."""
        weights = {f"weights.{name}": tensor for name, tensor in self.network.state_dict().items()}
        return weights | optimizer_tensors(self._optimizer, "sgd")

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Resume from the state that `tensors` returned."""
        weights = {name: tensors[f"weights.{name}"] for name in self.network.state_dict()}
        self.network.load_state_dict(weights)
        load_optimizer_tensors(self._optimizer, "sgd", tensors)

    def _batches(self, images: ImageSet, *path: str | int) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(derive_seed(self._seed, "batches", *path))
        for inputs, labels in iterate_minibatches(images, self._config.batch_size, generator):
            yield inputs.contiguous(memory_format=torch.channels_last), labels


class Learner(Protocol):
    """A strategy's addition to the shared weights: it learns which cells to choose, and chooses them."""

    shared: SharedWeights

    @property
    def edge_weights(self) -> tuple[tuple[float, ...], ...]:
        """softmax(α) of every edge over the space's primitives; empty for a learner without α."""
        ...

    def learn(self, iteration: int) -> None:
        """Train the shared weights and the parameters of the choice for one iteration."""
        ...

    def candidates(self, iteration: int, incumbent: Genotype | None) -> tuple[Genotype, ...]:
        """Different genotypes to score at the iteration's end; the best of them is the new incumbent."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Everything that the iterations change, as the state to resume from."""
        ...

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Resume from the state that `tensors` returned."""
        ...


class SharingSearch(StrategyDefaults, ABC):
    """A strategy that iterates a learner until its schedule, the budget, or a space of one cell ends it.

    See `Strategy` for its members. Scores are by the supernet's weights on a cell's path.
    """

    config: SharedWeightsConfig

    @property
    def max_iterations(self) -> int | None:
        return self.config.iterations

    def search(self, run: SearchRun) -> SearchOutcome:
        def iterate(progress: SearchProgress, expired: Callable[[], bool]) -> Iteration:
            return self._iterate(run, progress)

        key = search_key(self.name, self.settings(run.budget.patience), run.problem, run.seed)
        return run_iterations(iterate, run, key=key, scores_last=False, max_iterations=self.max_iterations)

    @abstractmethod
    def new_learner(self, problem: SearchProblem, *, seed: int) -> Learner:
        """The learner before the first iteration."""

    def _iterate(self, run: SearchRun, progress: SearchProgress) -> Iteration:
        iteration, incumbent = len(progress.history), progress.incumbent
        # Every iteration loads the carried value, resumed or not, so that both continue in the same way.
        learner = self.new_learner(run.problem, seed=run.seed)
        if progress.carried is not None:
            learner.load(tensors_from_json(progress.carried))
        learner.learn(iteration)
        genotypes, edge_weights = learner.candidates(iteration, incumbent), learner.edge_weights
        run.on_event(SearchEvent("candidates", iteration, None, genotypes, (), (), incumbent, edge_weights))
        epochs = (iteration + 1) * self.config.weight_epochs
        scores = tuple(learner.shared.score(genotype, epochs=epochs) for genotype in genotypes)
        accuracies = tuple(score.validation_accuracy for score in scores)
        run.on_event(SearchEvent("round", iteration, 0, genotypes, (), accuracies, incumbent, edge_weights))
        best = ranked(scores)[0].genotype
        record = IterationRecord(iteration, genotypes, (), 1, best, best != incumbent, edge_weights)
        return Iteration(record, scores, tensors_to_json(learner.tensors()))
