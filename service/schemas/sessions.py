"""The bodies of `/login`: a key goes in, and what it may do comes out."""

from typing import Annotated

from pydantic import Field, SecretStr

from service.schemas.base import Instant, Request, Response
from worker.registry.states import Scope


class LoginRequest(Request):
    """A key, to be exchanged for a session."""

    key: Annotated[SecretStr, Field(min_length=1, max_length=1024, description="as `ldnas key create` printed it")]


class Session(Response):
    """Who a browser's session belongs to; the session itself is in the cookie alone."""

    name: str = Field(description="the key's")
    scope: Scope
    expires_at: Instant
