"""Says in a sentence why a race had its winner."""

from torch import Tensor

from ldnas.networks.design import Kind, PretrainedDesign
from ldnas.race.race import Finisher, RaceOutcome
from ldnas.race.standing import ERRORS, difference_error

_NAMES = {Kind.CELL: "cell", Kind.PLAIN: "plain network", Kind.PRETRAINED: "pretrained network"}


def reason_of(outcome: RaceOutcome, *, objective: str, seed: int) -> str:
    """The winner's score, and its difference to the best network of another kind (of its own kind if there is none).

    The error of the difference counts images and cycles.
    """
    winner, *others = outcome.finishers
    own = f"{winner.candidate.name} scores {_percent(winner)} on validation images"
    if not others:
        return f"{own}; no other network took part"
    rivals = [other for other in others if other.candidate.kind is not winner.candidate.kind] or others
    rival = rivals[0]
    difference = winner.progress.score - rival.progress.score
    error = _error(winner, rival, outcome.labels, objective=objective, seed=seed)
    points = f"{100 * difference:+.1f} ± {100 * error:.1f} points"
    best = f"the best {_NAMES[rival.candidate.kind]}, {rival.candidate.name}"
    if difference <= ERRORS * error:
        return f"{own}: {points} over {best}, which is not more than chance may give"
    return f"{_ground(winner, rival)}: {own}, {points} over {best}"


def _ground(winner: Finisher, rival: Finisher) -> str:
    """What such a difference says about the images."""
    kinds = winner.candidate.kind, rival.candidate.kind
    if kinds[0] is Kind.PRETRAINED and kinds[1] is not Kind.PRETRAINED:
        return f"the images have features in common with {_pretraining(winner)}"
    if kinds[1] is Kind.PRETRAINED and kinds[0] is not Kind.PRETRAINED:
        return f"features of {_pretraining(rival)} do not help with these images"
    return f"the {_NAMES[kinds[0]]} fits the images better"


def _pretraining(finisher: Finisher) -> str:
    design = finisher.candidate.design
    has_own_weights = isinstance(design, PretrainedDesign) and design.weights is not None
    source = finisher.candidate.started_from
    return f"the images that {source} was trained on" if has_own_weights else "the photographs of ImageNet"


def _percent(finisher: Finisher) -> str:
    return f"{100 * finisher.progress.score:.1f} %"


def _error(winner: Finisher, rival: Finisher, labels: Tensor, *, objective: str, seed: int) -> float:
    own, other = winner.progress.standing, rival.progress.standing
    assert own is not None, "a finisher has a cycle"
    assert other is not None, "a finisher has a cycle"
    return difference_error(own.logits, other.logits, labels, objective=objective, seed=seed)
