"""Chooses a skeleton in which some cell satisfies the constraints. Needs no torch."""

from dataclasses import replace

from ldnas.errors import ImpossibleConstraintError
from ldnas.space.constraints import Constraints
from ldnas.space.skeleton import Skeleton, Stage, default_skeleton
from ldnas.space.space import SearchSpace

LEAST_CHANNELS = 4
"""The channels in the first stage of the narrowest skeleton."""


def fitted_skeleton(image_size: int, classes: int, constraints: Constraints, space: SearchSpace) -> Skeleton:
    """The default skeleton, or if no cell of the space satisfies the constraints in it, the widest that has one.

    Its widths are halved all together, down to `LEAST_CHANNELS` in the first stage. A limit on latency is not checked
    here: it needs a table, which is measured for one skeleton.

    Raises:
        ImpossibleConstraintError: not even the narrowest skeleton satisfies them; has the nearest possible value.
        InvalidSearchError: the image size or the number of classes is out of range.
    """
    *wider, narrowest = narrower_skeletons(image_size, classes)
    for skeleton in wider:
        try:
            constraints.require_possible(space, skeleton)
        except ImpossibleConstraintError:
            continue
        return skeleton
    constraints.require_possible(space, narrowest)
    return narrowest


def narrower_skeletons(image_size: int, classes: int) -> list[Skeleton]:
    """The default skeleton, then each half as wide as the one before, down to `LEAST_CHANNELS` in the first stage.

    Raises:
        InvalidSearchError: the image size or the number of classes is out of range.
    """
    skeletons = [default_skeleton(image_size, classes)]
    while skeletons[-1].stem_channels // 2 >= LEAST_CHANNELS:
        skeletons.append(_half_as_wide(skeletons[-1]))
    return skeletons


def _half_as_wide(skeleton: Skeleton) -> Skeleton:
    stages = tuple(Stage(stage.channels // 2, stage.cells) for stage in skeleton.stages)
    return replace(skeleton, stem_channels=skeleton.stem_channels // 2, stages=stages)
