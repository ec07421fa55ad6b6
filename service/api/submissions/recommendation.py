"""Accepts requests for an architecture."""

import uuid

from ldnas.errors import InvalidSearchError
from ldnas.networks.design import Kind
from ldnas.search.names import require_settings
from ldnas.space.fitting import fitted_skeleton
from ldnas.space.space import FULL_SPACE
from service.api.dependencies import Resources
from service.api.submissions.classes import known_counts, target_of
from service.api.submissions.columns import checked_task
from service.api.submissions.expectation import expectation_of
from service.api.submissions.idempotency import RequestIdentity, once
from service.api.submissions.job_row import insert_job
from service.api.submissions.named_tasks import baseline_ids
from service.api.submissions.references import (
    PRETRAINED_WEIGHTS,
    check_pretrained_weights,
    hold_uploaded,
    hold_weights,
)
from service.api.webhooks import check_webhook
from worker.outbound.references import is_remote
from worker.registry import SCHEME, JobKind, TaskRole, reading, unit_of_work
from worker.settings import Settings
from worker.specification import RACE, RecommendationRequest


def accept_recommendation(resources: Resources, request: RecommendationRequest, key: str | None, *, owner: str) -> str:
    """Queues a recommendation; returns its id, or the id of the one that the same request created before.

    Raises:
        RefusedError: the dataset, the labels or the network are not valid, the strategy does not accept a setting, or
            no network can satisfy the constraints.
        ForbiddenWebhookError: the webhook's URL is not https, or its host is not allowed.
        UnknownBaselineError: a baseline does not exist.
        QuotaExceededError: the owner has as many unfinished recommendations as its quota allows.
        IdempotencyKeyReusedError: another request used the key.
    """
    identity = RequestIdentity.of(JobKind.RECOMMEND, request, key, owner=owner)

    def submit() -> dict[str, str]:
        task = checked_task(request, resources.settings)
        _check_search(request, resources.settings)
        check_webhook(request.webhook, resources.settings)
        params = {"recommendation_id": uuid.uuid4().hex, "task_id": uuid.uuid4().hex}
        name = request.name or f"target-{params['task_id'][:8]}"
        asked = request.model_dump(mode="json", exclude_none=True, exclude={"webhook"}) | {
            "dataset": task.columns["dataset"],
            "labels": task.columns["labels"],
            # Stored as resolved: a later release may have another default.
            "search": request.search.model_dump(mode="json", exclude_none=True) | {"strategy": request.strategy},
        }
        if request.strategy == RACE and request.budget is None:
            asked["budget"] = {"seconds": resources.settings.default_seconds}
        if request.baselines:
            with reading(resources.engine) as registry:
                baseline_ids(registry, request.baselines, "baselines")
        with unit_of_work(resources.engine) as registry:
            registry.keys.require_room(owner, resources.settings.quota)
            hold_uploaded(registry, task)
            counts = known_counts(registry, task)
            expected = expectation_of(request, resources.settings.default_seconds, registry.workers.devices())
            if request.pretrained is not None and not is_remote(request.pretrained.weights):
                hold_weights(registry, request.pretrained.weights.removeprefix(SCHEME), PRETRAINED_WEIGHTS)
            job_id = insert_job(registry, JobKind.RECOMMEND, params, identity, request.priority)
            registry.tasks.insert(
                id=params["task_id"],
                job_id=job_id,
                role=TaskRole.TARGET,
                name=name,
                class_counts=counts,
                **task.columns,
            )
            registry.recommendations.insert(
                id=params["recommendation_id"],
                name=request.name,
                job_id=job_id,
                task_id=params["task_id"],
                request=asked,
                document={"target": target_of(counts), "expected": expected},
            )
            if request.webhook is not None:
                registry.webhooks.insert(job_id, request.webhook.url, request.webhook.secret)
        return params

    recommendation_id: str = once(resources.engine, identity, submit)["recommendation_id"]
    return recommendation_id


def _check_search(request: RecommendationRequest, settings: Settings) -> None:
    """Refuses settings and limits that would certainly fail; limits are checked only if the skeleton is known."""
    if request.strategy == RACE:
        for field in request.settings_of_searches:
            raise InvalidSearchError(f"the strategy race does not take {field}", field=field)
        _check_pretrained(request, settings)
    else:
        require_settings(request.strategy, candidates=request.search.candidates, rounds=request.search.rounds)
        if request.space == "known":
            raise InvalidSearchError(
                f"search.space known belongs to the strategy race; {request.strategy} takes primitives or full",
                field="search.space",
            )
        for field in ("candidates", "pretrained"):
            if getattr(request, field) is not None:
                raise InvalidSearchError(f"{field} belongs to the strategy race", field=field)
    if request.image_size is not None:
        # More classes make a larger head, so the limits are easiest to satisfy with two.
        classes = max(2, len(request.labels.groups) + request.labels.rest) if request.labels is not None else 2
        fitted_skeleton(request.image_size, classes, request.limits, FULL_SPACE)


def _check_pretrained(request: RecommendationRequest, settings: Settings) -> None:
    if request.pretrained is None:
        return
    if request.candidates is not None and Kind.PRETRAINED.value not in request.candidates:
        raise InvalidSearchError(
            "a pretrained network takes part only if candidates contains pretrained", field="pretrained"
        )
    check_pretrained_weights(request.pretrained.weights, settings)
