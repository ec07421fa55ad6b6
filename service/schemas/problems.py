"""The error document (RFC 9457) that every refusal and every failed job carries."""

from pydantic import BaseModel, ConfigDict, Field


class ProblemEntry(BaseModel):
    """One thing that is wrong."""

    field: str | None = Field(description="the request field at fault, dotted: `labels.groups[1]`")
    origin: str | None = Field(None, description="the file, row or path at fault")
    message: str = Field(description="what was refused, and what would be accepted")


class Problem(BaseModel):
    """RFC 9457 `application/problem+json`; `code` and `errors` are extension members."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:ldnas:problem:unknown-network",
                    "title": "No network architecture of that name",
                    "status": 422,
                    "detail": "There is no network 'vgg17'; known are small_cnn, vgg16.",
                    "instance": None,
                    "code": "unknown_network",
                    "errors": [
                        {
                            "field": "network",
                            "origin": None,
                            "message": "There is no network 'vgg17'; known are small_cnn, vgg16.",
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
    instance: str | None = Field(None, description="path of the request; null for a job's failure")
    code: str
    errors: list[ProblemEntry]
