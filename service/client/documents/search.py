"""A recommendation's search, and its recommended network."""

from dataclasses import dataclass

from service.client.documents.part import Json, Part


@dataclass(frozen=True, eq=False, repr=False)
class SearchSpace(Part):
    """The search space, and its size relative to the full space."""

    source_task_ids: tuple[str, ...] | None
    primitives: tuple[str, ...] | None
    nodes: int | None
    skeleton: Json | None
    size: int | None
    fraction_of_full: float | None


@dataclass(frozen=True, eq=False, repr=False)
class SearchRun(Part):
    """The settings of the search, and its forecast.

    Attributes:
        settings: settings of the strategy, including defaults.
        splits: number of training/validation splits on which winners were compared; 1: the task's own.
        constraints: the requested limits.
        latency_table: milliseconds by primitive, under a latency limit.
        forecast: predicted seconds, as of the start of the search: `iteration`, `search`, `training`, the whole `job`,
            and the part of it already `spent`.
        scored: number of cells that the search scored.
        chosen: the best of them within the limit on latency.
        latency_ms: measured latency of `chosen`; None without a limit on latency.
        final_epochs: epochs of the final training that the budget in seconds allows.
    """

    strategy: str | None
    settings: Json | None
    splits: int | None
    constraints: dict[str, float] | None
    latency_table: Json | None
    forecast: dict[str, float] | None
    scored: int | None
    chosen: Json | None
    latency_ms: float | None
    final_epochs: int | None


@dataclass(frozen=True, eq=False, repr=False)
class ChosenArchitecture(Part):
    """The recommended network; its weights and code are at `/v1/architectures/{id}`.

    Attributes:
        latency_ms: for one image; with a limit on latency, the measurement that was compared with it.
    """

    id: str | None
    genotype: Json | None
    skeleton: Json | None
    parameters: int | None
    macs: int | None
    latency_ms: float | None


@dataclass(frozen=True, eq=False, repr=False)
class WarmStart(Part):
    """The network whose weights, except its head, initialised the final training; fields are None for fresh weights.

    Attributes:
        task_id: the baseline that it was trained on.
        network: its content key.
    """

    task_id: str | None
    name: str | None
    network: str | None


@dataclass(frozen=True, eq=False, repr=False)
class ValidationScores(Part):
    """Scores on the validation images, which the search has seen."""

    accuracy: float | None
    balanced_accuracy: float | None
    macro_f1: float | None


@dataclass(frozen=True, eq=False, repr=False)
class TestScores(Part):
    """Scores on the test images, which neither the search nor the training has seen.

    Attributes:
        interval: 95 % Wilson interval over images.
        recall: recall of each class, in the order of the classes.
        std_over_seeds: standard deviation of the accuracies of all networks; None for one network.
        seeds: number of networks trained, each from its own seed.
    """

    accuracy: float | None
    interval: tuple[float, float] | None
    balanced_accuracy: float | None
    macro_f1: float | None
    recall: tuple[float | None, ...] | None
    std_over_seeds: float | None
    seeds: int | tuple[int, ...] | None
