"""What `GET /v1/architectures` answers."""

from typing import Any

from pydantic import Field

from service.schemas.base import Instant, Resource


class Architecture(Resource):
    """A finished network: its cell, its skeleton, and what it scored."""

    name: str
    recommendation_id: str | None
    job_id: str
    genotype: dict[str, Any]
    skeleton: dict[str, Any]
    class_names: list[str] = Field(description="output i of the network stands for class i")
    preprocessing: dict[str, Any]
    parameters: int
    macs: int = Field(description="multiply-adds for one image")
    validation: dict[str, Any] | None
    test: dict[str, Any] | None
    code: str = Field(description="path of the standalone PyTorch code")
    weights: str = Field(description="path of the weights, safetensors")
    created_at: Instant
