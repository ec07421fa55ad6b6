"""A POST that is sent twice under one `Idempotency-Key` makes one thing (IETF draft-ietf-httpapi-idempotency-key)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from ldnas.digests import json_digest
from worker.registry.errors import DuplicateRequestError, QuotaExceededError
from worker.registry.models import Job, JobKind
from worker.registry.session import Engine, reading


@dataclass(frozen=True)
class RequestIdentity:
    """What makes two requests the same: who asks, their key for it (None: no two are), and the digest of what is asked.

    Two owners may use one idempotency key, and know nothing of each other's requests.
    """

    owner: str
    key: str | None
    digest: str

    @classmethod
    def of(
        cls, kind: JobKind, body: BaseModel, key: str | None, *, owner: str, subject: str | None = None
    ) -> "RequestIdentity":
        """The digest is over what the client wrote, so that a default which changes later does not alter it.

        `subject` is the id in the path, where the request is about one.
        """
        about = {} if subject is None else {"subject": subject}
        body_sent = body.model_dump(mode="json", exclude_unset=True)
        return cls(owner, key, json_digest({"kind": kind.value, "body": body_sent, **about}))


def once(engine: Engine, identity: RequestIdentity, submit: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The params of the job that this request made, now or when it came before.

    Args:
        engine: the registry's connections.
        identity: tells whether it came before.
        submit: checks and stores the request; gives its job's params.

    Raises:
        IdempotencyKeyReusedError: another request came under the key.
    """
    earlier = _earlier(engine, identity)
    if earlier is not None:
        return earlier.params
    try:
        return submit()
    except (DuplicateRequestError, QuotaExceededError):
        # An equal request won the race to the unique index, or to the last place: its job is committed by now.
        earlier = _earlier(engine, identity)
        if earlier is None:
            raise
        return earlier.params


def _earlier(engine: Engine, identity: RequestIdentity) -> Job | None:
    if identity.key is None:
        return None
    with reading(engine) as registry:
        return registry.jobs.find_request(identity.owner, identity.key, identity.digest)
