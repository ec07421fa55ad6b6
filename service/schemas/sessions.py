"""The bodies of `/login`: a key in the request, its name and scope in the response."""

from typing import Annotated

from pydantic import Field, SecretStr

from service.schemas.base import Document, Instant
from worker.registry import Scope
from worker.specification import Request


class LoginRequest(Request):
    """A key to exchange for a session."""

    key: Annotated[SecretStr, Field(min_length=1, max_length=1024, description="as `ldnas key create` printed it")]


class Session(Document):
    """The key that a browser's session belongs to; only the cookie contains the session itself."""

    name: str = Field(description="name of the key")
    scope: Scope
    expires_at: Instant
