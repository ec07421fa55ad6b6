"""What a recommendation comes to, in sentences."""

from service.schemas.answer import Control, Recommendation
from service.schemas.problems import Problem
from service.web.rendering import percent

_AND_SO = {
    "no_close_task": "No known task is closer than untrained networks are, so the full space",
    "no_baseline": "There was no known task to compare with, so the full space",
}

_CONTROL = {
    "helped": "The memory of tasks helped: every other way to spend the time did worse.",
    "undecided": "Undecided: the differences are no larger than chance may make them.",
    "hurt": "Another way to spend the same time did better than the memory of tasks.",
}

_WRITE_THE_REQUEST_ANEW = "The request has to change: ask again with what is written above put right."
_ADVICE = {
    "attempts_exhausted": "The worker ended each time before the job did. Look into its log, then try again.",
    "internal": "The worker's log has the details. Try again; if it fails at the same place, it is an error of ldnas.",
    "impossible_constraint": "Ask again with a looser limit, or with smaller images.",
    "out_of_memory": "Ask again with smaller images, or start a worker on a machine with more memory, then try again.",
    "reference_changed": "The images behind the reference are others by now: ask again for what lies there.",
    "diverged_network": "Try again with another seed, or look whether the images are what they should be.",
    "too_few_images": "Add images of that class, or put it into a group with another one, and ask again.",
}


def why_this_network(document: Recommendation) -> str | None:
    """Which known task it goes back to, and how sure that is; None until it is known."""
    verdict, closest = document.verdict, document.closest
    if verdict is None:
        return None
    one, several = ("was searched.", "were searched.") if document.finished_at else ("is searched.", "are searched.")
    if verdict in _AND_SO:
        return f"{_AND_SO[verdict]} {one}"
    fraction = document.search_space.fraction_of_full
    narrowed = "" if fraction is None else f" ({percent(fraction, 2)} of the full one)"
    sure = "" if closest.probability is None else f", with a probability of {percent(closest.probability, 0)}"
    if verdict == "closest" and document.search_space.source_task_ids == []:
        return f"The closest known task is {closest.name}{sure}, but its search space did not serve: the full one {one}"
    if verdict == "closest":
        return f"The closest known task is {closest.name}{sure}, so its search space{narrowed} {one}"
    names = {distance.task_id: distance.name for distance in document.distances or ()}
    tied = " and ".join(names.get(id, id) for id in document.tied or ())
    return f"{tied} are about equally close, so their search spaces together{narrowed} {several}"


def how_good(document: Recommendation) -> str | None:
    """What the network does on test images; None until it has seen them."""
    test, images = document.test, document.target.test
    if test.accuracy is None or test.interval is None or images is None:
        return None
    low, high = test.interval
    return (
        f"It is right on {percent(test.accuracy)} of {images:,} test images that it had never seen "
        f"(95 % interval {percent(low)} to {percent(high)})."
    )


def beside_other_ways(control: Control) -> str:
    """The control's verdict."""
    return "The comparison goes on." if control.verdict is None else _CONTROL[control.verdict]


def what_to_do(problem: Problem) -> str:
    """What whoever asked can do about a job that failed."""
    return _ADVICE.get(problem.code, _WRITE_THE_REQUEST_ANEW if problem.status < 500 else _ADVICE["internal"])
