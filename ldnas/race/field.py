"""Chooses the candidates of a race for a task: cells, plain and pretrained networks, each within the limits."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TypeVar

from ldnas.errors import ImpossibleConstraintError
from ldnas.networks.design import EFFICIENTNET_LITE0, MOBILENET, CellDesign, Design, Kind, PlainDesign, PretrainedDesign
from ldnas.networks.mobilenet import MOBILENET_WIDTHS, SMALL_SIDE
from ldnas.networks.resnet import widest_resnet18
from ldnas.race.candidate import Candidate
from ldnas.race.kinds import GivenWeights, fresh_candidate, pretrained_candidate
from ldnas.space.constraints import UNLIMITED, Constraints
from ldnas.space.fitting import narrower_skeletons
from ldnas.space.genotype import Genotype
from ldnas.training.train import TrainConfig

DesignT = TypeVar("DesignT", bound=Design)

PATIENT_EPOCHS = 8
"""The fewest epochs for which a large variant of a network is worth its cost; with fewer a smaller one is better."""

LEAST_SIDE = 16
"""The smallest side, in pixels, to which the images are reduced because the seconds are few."""

PRETRAINED_SIZES = (128, 96, 64)
"""The sides of images for a pretrained network, in pixels."""

PRETRAINED_SIDE = 64
"""The side to which smaller images are enlarged for a pretrained network, in pixels."""

RESNET18_WIDTHS = (64, 32, 16)


@dataclass(frozen=True)
class RaceTask:
    """The facts about a task that its candidates depend on.

    Attributes:
        image_size: side of its images, in pixels.
        fixed_size: whether the client chose that size; then every candidate has it.
        cells: the cells to try, the most promising one first.
        recipe: the training recipe from fresh weights at an image size.
        kinds: the kinds that may take part.
        warm: cells with weights of another task, within the limits.
        given: weights for one more pretrained network.
    """

    image_size: int
    classes: int
    cells: Sequence[Genotype]
    recipe: Callable[[int], TrainConfig]
    fixed_size: bool = False
    limits: Constraints = UNLIMITED
    kinds: frozenset[Kind] = frozenset(Kind)
    warm: Sequence[Candidate] = ()
    given: GivenWeights | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """The image sizes of networks from fresh weights: the own one, and half of it where the seconds are few."""
        half = self.image_size // 2
        return (self.image_size,) if self.fixed_size or half < LEAST_SIDE else (self.image_size, half)


def candidates_for(task: RaceTask) -> list[Candidate]:
    """The candidates, in the order of their kinds; several variants of one network have the same `variant_of`.

    A limit on latency is not checked: it needs a measurement.

    Raises:
        ImpossibleConstraintError: no network of these kinds satisfies the limits.
    """
    found = [
        *((*_imagenet(task), *_given(task)) if Kind.PRETRAINED in task.kinds else ()),
        *((*task.warm, *_cells(task)) if Kind.CELL in task.kinds else ()),
        *((*_resnet18(task), *_mobilenet(task)) if Kind.PLAIN in task.kinds else ()),
    ]
    if not found:
        kinds = ", ".join(sorted(task.kinds))
        given = ", ".join(f"{name} of {limit:g}" for name, limit in task.limits.given().items())
        raise ImpossibleConstraintError(
            f"no network of the kinds {kinds} satisfies {given}", field="constraints", nearest_possible=None
        )
    return found


def _imagenet(task: RaceTask) -> Iterator[Candidate]:
    return _pretrained(
        task, EFFICIENTNET_LITE0, lambda size: PretrainedDesign(size, task.classes), pretrained_candidate
    )


def _given(task: RaceTask) -> Iterator[Candidate]:
    given = task.given
    if given is None:
        return iter(())
    return _pretrained(
        task,
        f"{given.architecture} from {given.source}",
        lambda size: PretrainedDesign(size, task.classes, given.architecture, given.digest),
        partial(pretrained_candidate, given=given),
    )


def _pretrained(
    task: RaceTask,
    network: str,
    design_at: Callable[[int], PretrainedDesign],
    build: Callable[[str, PretrainedDesign, TrainConfig], Candidate],
) -> Iterator[Candidate]:
    sizes = [size for size in PRETRAINED_SIZES if size <= max(task.image_size, PRETRAINED_SIDE)]
    for size in (task.image_size,) if task.fixed_size else sizes:
        for candidate in _variant(task, design_at(size), network, build, patient=size > PRETRAINED_SIDE):
            # The smallest one is worth it by its fitted head alone.
            yield replace(candidate, least_epochs=0) if size == sizes[-1] else candidate


def _cells(task: RaceTask) -> Iterator[Candidate]:
    for genotype in task.cells:
        for size in task.sizes:
            skeletons = narrower_skeletons(size, task.classes)
            skeleton = next((own for own in skeletons if task.limits.admits(genotype, own)), None)
            if skeleton is not None:
                design = CellDesign(genotype, skeleton)
                name = f"cell {genotype.digest[:8]}"
                yield from _variant(task, design, name, fresh_candidate, patient=size != task.sizes[-1])


def _resnet18(task: RaceTask) -> Iterator[Candidate]:
    for size in task.sizes:
        try:
            widest = widest_resnet18(
                task.classes,
                image_size=size,
                max_parameters=task.limits.max_parameters,
                max_macs=task.limits.max_macs,
            )
        except ImpossibleConstraintError:
            continue
        widths = [width for width in RESNET18_WIDTHS if width <= widest] or [widest]
        for width in widths if size == task.image_size else widths[-1:]:
            design = PlainDesign(width, size, task.classes)
            is_smallest = size == task.sizes[-1] and width == widths[-1]
            yield from _variant(task, design, design.name, fresh_candidate, patient=not is_smallest)


def _mobilenet(task: RaceTask) -> Iterator[Candidate]:
    """The widest MobileNetV3-small of each image size within the limits.

    A limit on latency is checked later, so then narrower ones follow. From fresh weights it needs many epochs at any
    width: with fewer the seconds are better spent on the networks that come before it.
    """
    # Half of a larger image would cost more, since the network reduces it by fewer strides.
    for size in task.sizes if task.image_size <= SMALL_SIDE else (task.image_size,):
        designs = (PlainDesign(width, size, task.classes, MOBILENET) for width in MOBILENET_WIDTHS)
        admitted = (own for each in designs for own in _variant(task, each, MOBILENET, fresh_candidate, patient=True))
        yield from islice(admitted, 1 if task.limits.max_latency_ms is None else None)


def _variant(
    task: RaceTask,
    design: DesignT,
    network: str,
    build: Callable[[str, DesignT, TrainConfig], Candidate],
    *,
    patient: bool,
) -> Iterator[Candidate]:
    width = f" width {design.width:g}" if isinstance(design, PlainDesign) else ""
    candidate = build(f"{network}{width} at {design.image_size} px", design, task.recipe(design.image_size))
    if _within(task.limits, candidate):
        yield replace(candidate, variant_of=network, least_epochs=PATIENT_EPOCHS if patient else candidate.least_epochs)


def _within(limits: Constraints, candidate: Candidate) -> bool:
    pairs = ((candidate.parameters, limits.max_parameters), (candidate.macs, limits.max_macs))
    return all(limit is None or value <= limit for value, limit in pairs)
