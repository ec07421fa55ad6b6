"""A POST sent twice with one `Idempotency-Key` creates one resource (IETF draft-ietf-httpapi-idempotency-key)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from ldnas.digests import json_digest
from ldnas.errors import LdnasError
from service.api.errors import ServiceError
from worker.errors import DatabaseUnavailableError, RegistryError
from worker.registry import Engine, JobKind, JobRow, reading


@dataclass(frozen=True)
class RequestIdentity:
    """Identifies a request: its owner, its idempotency key (None: it equals no other), and the digest of its body.

    Two owners may use the same idempotency key; their requests are separate.
    """

    owner: str
    key: str | None
    digest: str

    @classmethod
    def of(
        cls, kind: JobKind, body: BaseModel, key: str | None, *, owner: str, subject: str | None = None
    ) -> "RequestIdentity":
        """The digest covers only the fields that the client sent, so that a later change of a default cannot alter it.

        `subject` is the id in the path, where it has one.
        """
        about = {} if subject is None else {"subject": subject}
        body_sent = body.model_dump(mode="json", exclude_unset=True)
        return cls(owner, key, json_digest({"kind": kind.value, "body": body_sent, **about}))


def once(engine: Engine, identity: RequestIdentity, submit: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The params of the job that this request created, now or earlier.

    Nearly every request is new, so an earlier one is looked up only after `submit` has refused this one: keys have a
    unique index, so no request is stored twice. An earlier request counts even if it would be refused now.

    Args:
        engine: the registry's connections.
        identity: identifies earlier requests of the same kind.
        submit: checks and stores the request with its key; returns its job's params.

    Raises:
        IdempotencyKeyReusedError: another request used the key.
        LdnasError, RegistryError, ServiceError: those of `submit`, unless an earlier request was accepted.
    """
    try:
        return submit()
    except DatabaseUnavailableError:
        raise
    except (LdnasError, RegistryError, ServiceError):
        earlier = _earlier(engine, identity)
        if earlier is None:
            raise
        return earlier.params


def _earlier(engine: Engine, identity: RequestIdentity) -> JobRow | None:
    if identity.key is None:
        return None
    with reading(engine) as registry:
        return registry.jobs.find_request(identity.owner, identity.key, identity.digest)
