"""A recommendation's search, and the network that it ends with."""

from dataclasses import dataclass

from service.client.documents.part import Json, Part


@dataclass(frozen=True, eq=False, repr=False)
class SearchSpace(Part):
    """The space that was searched, and how small it is beside the full one."""

    source_task_ids: tuple[str, ...] | None
    primitives: tuple[str, ...] | None
    nodes: int | None
    skeleton: Json | None
    size: int | None
    fraction_of_full: float | None


@dataclass(frozen=True, eq=False, repr=False)
class SearchRun(Part):
    """How the space was searched, and what that was foretold to take.

    Attributes:
        settings: of the strategy, those chosen by default included.
        splits: into training and validation images, that winners were compared on; 1: the task's own.
        constraints: the limits that were asked for.
        latency_table: milliseconds by primitive, under a latency limit.
        forecast: seconds, before the search began: `iteration`, `search`, `training`, `job` in all, and of it what
            was `spent` by then.
        scored: cells that the search scored.
        chosen: the best of them that keeps a limit on latency.
        latency_ms: of `chosen`, measured; None without a limit on latency.
        final_epochs: what a budget in seconds left of the final training's epochs.
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
    """The network that is recommended; its weights and code lie at `/v1/architectures/{id}`.

    Attributes:
        latency_ms: for one image; under a limit the measurement that was held against it.
    """

    id: str | None
    genotype: Json | None
    skeleton: Json | None
    parameters: int | None
    macs: int | None
    latency_ms: float | None


@dataclass(frozen=True, eq=False, repr=False)
class WarmStart(Part):
    """The network whose weights, but for its head, the final training began at; None in its fields: at fresh weights.

    Attributes:
        task_id: the baseline on whose images it was trained.
        network: its content key.
    """

    task_id: str | None
    name: str | None
    network: str | None


@dataclass(frozen=True, eq=False, repr=False)
class ValidationScores(Part):
    """On images that the search has seen."""

    accuracy: float | None
    balanced_accuracy: float | None
    macro_f1: float | None


@dataclass(frozen=True, eq=False, repr=False)
class TestScores(Part):
    """On images that nothing has seen before.

    Attributes:
        interval: 95 % Wilson interval over images.
        recall: of each class, in their order.
        std_over_seeds: of the accuracies of all networks; None with one.
        seeds: networks trained, each from a seed of its own.
    """

    accuracy: float | None
    interval: tuple[float, float] | None
    balanced_accuracy: float | None
    macro_f1: float | None
    recall: tuple[float | None, ...] | None
    std_over_seeds: float | None
    seeds: int | tuple[int, ...] | None
