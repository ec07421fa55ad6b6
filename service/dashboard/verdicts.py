"""The result of a recommendation in sentences."""

from service.dashboard.rendering import percent
from service.schemas.answer import Control, Recommendation
from service.schemas.problems import Problem

_NONE_KNOWN = {
    "no_close_task": "No known task is closer than untrained networks are",
    "no_baseline": "The registry had no task to compare with",
}

_CONTROL = {
    "helped": "The memory of tasks helped: every other way to spend the time did worse.",
    "undecided": "Undecided: the differences may be due to chance.",
    "hurt": "Another way to spend the same time did better than the memory of tasks.",
}

_CHANGE_THE_REQUEST = "Correct the request as described above, then submit it again."
_ADVICE = {
    "attempts_exhausted": "The worker ended in each attempt before the job did. Check its log, then try again.",
    "internal": "The worker's log has the details. Try again; if it fails in the same way, report a bug in ldnas.",
    "impossible_constraint": "Submit the request again with a looser limit, or with smaller images.",
    "out_of_memory": "Submit the request again with smaller images, or start a worker with more memory and try again.",
    "reference_changed": "The images at this location have changed. Submit the request again to use the new ones.",
    "diverged_network": "Try again with another seed, or check that the images are the intended ones.",
    "too_few_images": "Add images of that class, or group it with another class, then submit the request again.",
}


def why_this_network(document: Recommendation, *, with_race: bool) -> str | None:
    """Names the closest known task and its probability; None until the verdict is known.

    `with_race`: whole networks race, so no space is searched.
    """
    verdict = document.verdict
    if verdict is None:
        return None
    known = _closest_known(document)
    if with_race:
        return f"{known}."
    one, several = ("was searched.", "were searched.") if document.finished_at else ("is searched.", "are searched.")
    if verdict in _NONE_KNOWN:
        return f"{known}, so the full space {one}"
    fraction = document.search_space.fraction_of_full
    narrowed = "" if fraction is None else f" ({percent(fraction, 2)} of the full one)"
    if verdict == "closest" and document.search_space.source_task_ids == ():
        return f"{known}, but its search space did not serve: the full one {one}"
    if verdict == "closest":
        return f"{known}, so its search space{narrowed} {one}"
    return f"{known}, so their search spaces together{narrowed} {several}"


def _closest_known(document: Recommendation) -> str:
    closest = document.closest
    if document.verdict in _NONE_KNOWN:
        return _NONE_KNOWN[document.verdict]
    if document.verdict == "closest":
        sure = "" if closest.probability is None else f", with a probability of {percent(closest.probability, 0)}"
        return f"The closest known task is {closest.name}{sure}"
    names = {distance.task_id: distance.name for distance in document.distances or ()}
    tied = " and ".join(names.get(id, id) for id in document.tied or ())
    return f"{tied} are about equally close"


def how_good(document: Recommendation) -> str | None:
    """States the test accuracy with its interval; None before the test evaluation."""
    test, images = document.test, document.target.test
    if test.accuracy is None or test.interval is None or images is None:
        return None
    low, high = test.interval
    return (
        f"It is right on {percent(test.accuracy)} of {images:,} test images that it had never seen "
        f"(95 % interval {percent(low)} to {percent(high)})."
    )


def verdict_of_control(control: Control) -> str:
    """The verdict of the control in words."""
    return "The comparison is still running." if control.verdict is None else _CONTROL[control.verdict]


def what_to_do(problem: Problem) -> str:
    """Advises the user on a failed job."""
    return _ADVICE.get(problem.code, _CHANGE_THE_REQUEST if problem.status < 500 else _ADVICE["internal"])
