"""The error document (RFC 9457) of every error response and every failed job."""

from pydantic import ConfigDict, Field

from service.schemas.base import Document


class ProblemEntry(Document):
    """One error of the request."""

    field: str | None = Field(description="the request field at fault, dotted: `labels.groups[1]`")
    origin: str | None = Field(None, description="the file, row or path at fault")
    message: str = Field(description="the refused value, and the accepted ones")


class Problem(Document):
    """RFC 9457 `application/problem+json`; `code` and `errors` are extension members."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:ldnas:problem:unknown-network",
                    "title": "No network architecture of that name",
                    "status": 422,
                    "detail": "no network is called 'vgg17'; known: small_cnn, vgg16",
                    "instance": None,
                    "code": "unknown_network",
                    "errors": [
                        {
                            "field": "network",
                            "origin": None,
                            "message": "no network is called 'vgg17'; known: small_cnn, vgg16",
                        }
                    ],
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = Field(None, description="path of the request; null for the failure of a job")
    code: str
    errors: tuple[ProblemEntry, ...]
