"""Asking for an architecture."""

import uuid

from ldnas.search.names import require_settings
from ldnas.space.constraints import Constraints
from ldnas.space.fitting import fitted_skeleton
from ldnas.space.space import FULL_SPACE
from service.dependencies import Resources
from service.idempotency import RequestIdentity, once
from service.intake.columns import task_columns
from service.intake.job_row import insert_job
from service.intake.named_tasks import baseline_ids
from service.references import hold_uploaded
from service.schemas.recommendations import RecommendationRequest
from service.webhooks import check_webhook
from worker.registry.models import JobKind, TaskRole
from worker.registry.session import reading, unit_of_work


def accept_recommendation(resources: Resources, request: RecommendationRequest, key: str | None, *, owner: str) -> str:
    """Asks for an architecture; the recommendation's id, or that of the one which the same request made before.

    Raises:
        RefusedError: the dataset, the labels or the network cannot be worked on, the strategy does not take a setting,
            or no network can keep the constraints.
        ForbiddenWebhookError: the webhook's URL is not https, or its host is not allowed.
        UnknownBaselineError: a baseline that is named does not exist.
        QuotaExceededError: the owner has as many unfinished recommendations as it may have.
        IdempotencyKeyReusedError: another request came under the key.
    """
    identity = RequestIdentity.of(JobKind.RECOMMEND, request, key, owner=owner)

    def submit() -> dict[str, str]:
        columns = task_columns(request, resources.settings)
        _check_search(request)
        check_webhook(request.webhook, resources.settings)
        params = {"recommendation_id": uuid.uuid4().hex, "task_id": uuid.uuid4().hex}
        name = request.name or f"target-{params['task_id'][:8]}"
        asked = request.model_dump(mode="json", exclude_none=True, exclude={"webhook"}) | {
            "dataset": columns["dataset"],
            "labels": columns["labels"],
        }
        with reading(resources.engine) as registry:
            baseline_ids(registry, request.baselines or (), "baselines")
        with unit_of_work(resources.engine) as registry:
            registry.keys.require_room(owner, resources.settings.quota)
            hold_uploaded(registry, columns)
            job_id = insert_job(registry, JobKind.RECOMMEND, params, identity, request.priority)
            registry.tasks.insert(id=params["task_id"], job_id=job_id, role=TaskRole.TARGET, name=name, **columns)
            registry.recommendations.insert(
                id=params["recommendation_id"],
                name=request.name,
                job_id=job_id,
                task_id=params["task_id"],
                request=asked,
            )
            if request.webhook is not None:
                registry.webhooks.insert(job_id, request.webhook.url, request.webhook.secret)
        return params

    recommendation_id: str = once(resources.engine, identity, submit)["recommendation_id"]
    return recommendation_id


def _check_search(request: RecommendationRequest) -> None:
    """Refuse what can be seen to fail before an image is read: settings, and limits where the skeleton is known."""
    require_settings(request.search.strategy, candidates=request.search.candidates, rounds=request.search.rounds)
    constraints = Constraints(**(request.constraints.model_dump() if request.constraints is not None else {}))
    if request.image_size is not None:
        # More classes make a larger head; with two the limits are as easy to keep as they ever are.
        classes = max(2, len(request.labels.groups) + request.labels.rest) if request.labels is not None else 2
        fitted_skeleton(request.image_size, classes, constraints, FULL_SPACE)
