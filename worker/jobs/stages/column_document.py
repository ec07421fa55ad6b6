"""Converts a measured column into the parts of an answer: `verdict`, `closest`, `scale`, `decided`, `distances`."""

from collections.abc import Mapping, Sequence
from typing import Any

from ldnas.data.shown_uri import shown_reference
from ldnas.distance.ranking import Ranking, Verdict
from worker.jobs.stages.baselines import Baseline
from worker.jobs.stages.distance import Column
from worker.registry import TaskRow

Document = dict[str, Any]


def column_document(column: Column, baselines: Sequence[Baseline], *, measure: str, architecture: str) -> Document:
    """A column as a document, by one measure. `baselines` take part, whether comparable with the target or not."""
    ranking = column.ranking(measure)
    itself = column.itself[measure]
    by_id = {baseline.id: baseline for baseline in baselines}
    entries = [_measured(by_id[key], column, measure) for key in ranking.order]
    entries += [
        _not_measured(baseline, measure, architecture) for baseline in baselines if baseline.id not in column.sources
    ]
    return {
        "verdict": str(ranking.verdict),
        "tied": list(ranking.closest) if ranking.verdict is Verdict.TIE else [],
        "closest": _closest(column, ranking, by_id, measure),
        "scale": {
            "self_distance": itself.mean if itself else None,
            "untrained_distance": column.untrained[measure].mean,
        },
        "decided": vars(column.decided) if column.decided else None,
        "distances": entries,
    }


def _closest(column: Column, ranking: Ranking, by_id: Mapping[str, Baseline], measure: str) -> Document | None:
    """The closest source; the most probable of those that are tied; None where the verdict names none."""
    if not ranking.closest:
        return None
    key = ranking.closest[0]
    return {
        "task_id": key,
        "name": by_id[key].task.name,
        "distance": column.sources[key].spreads[measure].mean,
        "probability": column.certainties[measure][key].probability_closest,
    }


def _measured(baseline: Baseline, column: Column, measure: str) -> Document:
    source = column.sources[baseline.id]
    spread = source.spreads[measure]
    others = {name: found.mean for name, found in source.spreads.items() if name != measure}
    entry: Document = {
        **_entry(baseline, measure),
        "mean": spread.mean,
        "std": spread.std,
        "signed": spread.signed,
        "others": others,
        "mend": None,
        "interval": None,
        "repetitions": spread.repetitions,
        "samples": source.samples,
        "contributions": [{"layer": layer, "value": value} for layer, value in spread.contributions],
        "probability_closest": None,
        "standard_error": None,
    }
    if source.finalist:
        certainty = column.certainties[measure][baseline.id]
        entry["interval"] = certainty.interval and list(certainty.interval)
        entry["probability_closest"] = certainty.probability_closest
        entry["standard_error"] = certainty.standard_error
    return entry


def _not_measured(baseline: Baseline, measure: str, architecture: str) -> Document:
    """A source of another architecture, or one whose networks cannot be used (an event says why)."""
    unknown = ("mean", "std", "signed", "interval", "probability_closest", "standard_error", "samples")
    return {
        **_entry(baseline, measure),
        **dict.fromkeys(unknown),
        "others": {},
        "contributions": [],
        "mend": None if baseline.comparable else _mend(baseline.task, architecture),
        "repetitions": 0,
    }


def _entry(baseline: Baseline, measure: str) -> Document:
    return {
        "task_id": baseline.id,
        "name": baseline.task.name,
        "measure": measure,
        "comparable": baseline.comparable,
        "approximation": baseline.approximation,
    }


def _mend(task: TaskRow, architecture: str) -> Document:
    """The call that registers the same task with networks of the target's architecture."""
    body = {
        "name": f"{task.name}-{architecture}",
        "dataset": shown_reference(task.dataset),
        "labels": task.labels,
        "network": architecture,
        "epsilon": task.epsilon,
        "repetitions": task.repetitions,
    }
    return {
        "method": "POST",
        "path": "/v1/tasks",
        "body": {key: value for key, value in body.items() if value is not None},
    }
