"""The OpenAPI document, and what serving it loads."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from jsonschema import Draft202012Validator

from ldnas.search.enas import EnasConfig
from ldnas.search.evolution import EvolutionConfig
from ldnas.search.fuse import FuseConfig
from ldnas.search.random import RandomSearchConfig
from ldnas.search.random_sharing import RandomSharingConfig
from service.api.matrix.table import MAX_CELLS
from service.schemas.base import Document
from service.schemas.datasets import Dataset, DatasetSamples, DatasetSummary
from service.schemas.problems import Problem
from service.schemas.workers import Worker
from worker.specification import DEFAULT_ITERATIONS, Request

ROUTES = {
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
    "/v1/datasets": {"get"},
    "/v1/datasets/{name}": {"get", "put", "delete"},
    "/v1/datasets/{name}/samples": {"get"},
    "/login": {"post"},
    "/logout": {"post"},
    "/v1/tasks": {"get", "post"},
    "/v1/tasks/{task_id}": {"get", "delete"},
    "/v1/recommendations": {"get", "post"},
    "/v1/recommendations/{recommendation_id}": {"get", "delete"},
    "/v1/recommendations/{recommendation_id}/cancel": {"post"},
    "/v1/recommendations/{recommendation_id}/promote": {"post"},
    "/v1/recommendations/{recommendation_id}/evaluation": {"get"},
    "/v1/recommendations/{recommendation_id}/errors.png": {"get"},
    "/v1/recommendations/{recommendation_id}/events": {"get"},
    "/v1/distances": {"get", "post"},
    "/v1/distances/{source}/{target}": {"get"},
    "/v1/jobs": {"get"},
    "/v1/jobs/{job_id}": {"get"},
    "/v1/jobs/{job_id}/events": {"get"},
    "/v1/jobs/{job_id}/cancel": {"post"},
    "/v1/jobs/{job_id}/retry": {"post"},
    "/v1/workers": {"get"},
    "/v1/tasks/{task_id}/samples": {"get"},
    "/v1/tasks/{task_id}/study": {"post"},
    "/v1/architectures": {"get"},
    "/v1/architectures/{architecture_id}": {"get"},
    "/v1/architectures/{architecture_id}/code": {"get"},
    "/v1/architectures/{architecture_id}/weights": {"get"},
    "/v1/architectures/{architecture_id}/program": {"get"},
    "/v1/architectures/{architecture_id}/onnx": {"get"},
    "/v1/architectures/{architecture_id}/card": {"get"},
    "/v1/architectures/{architecture_id}/train": {"post"},
    "/v1/architectures/{architecture_id}/graph": {"get"},
}

SERVE_THE_DOCUMENT = """
import asyncio, sys
import httpx
from service.app import create_app
from worker.settings import Settings

async def get():
    transport = httpx.ASGITransport(app=create_app(Settings.from_environment({"LDNAS_HOME": sys.argv[1]})))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return (await client.get("/openapi.json")).json()

assert "/v1/tasks" in asyncio.run(get())["paths"]
print(sorted({"torch", "torchvision", "numpy", "celery"} & set(sys.modules)))
"""


@pytest.fixture
def document(http: httpx.Client) -> dict:
    return http.get("/openapi.json").json()


def test_the_routes_are_those_that_are_promised(document: dict) -> None:
    assert {path: set(operations) for path, operations in document["paths"].items()} == ROUTES


def test_every_refusal_is_declared_as_a_problem_document(document: dict) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"], (path, method, status)
    assert "Problem" in document["components"]["schemas"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


OWN = {"architecture": "resnet18", "weights": "dataset://mine"}
TRAIN = "/v1/architectures/{architecture_id}/train"
STUDY = "/v1/tasks/{task_id}/study"
POLLS = ("/v1/tasks/{task_id}", "/v1/recommendations/{recommendation_id}", "/v1/jobs/{job_id}", "/v1/distances")


@pytest.mark.parametrize("path", [*POLLS, "/v1/distances/{source}/{target}", "/v1/architectures/{architecture_id}"])
def test_a_poll_documents_its_tag_and_304(document: dict, path: str) -> None:
    responses = document["paths"][path]["get"]["responses"]
    assert "ETag" in responses["200"]["headers"]
    assert "application/json" in responses["200"]["content"]
    assert "ETag" in responses["304"]["headers"]
    assert "content" not in responses["304"]


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/recommendations", "/v1/distances", TRAIN, STUDY])
def test_an_accepted_request_documents_where_to_poll_and_when(document: dict, path: str) -> None:
    assert set(document["paths"][path]["post"]["responses"]["202"]["headers"]) == {"Location", "Retry-After"}


def test_a_stream_documents_that_it_may_have_nothing_left(document: dict) -> None:
    for path in ("/v1/jobs/{job_id}/events", "/v1/recommendations/{recommendation_id}/events"):
        assert "content" not in document["paths"][path]["get"]["responses"]["204"]


@pytest.mark.parametrize(
    ("schema", "accepted", "refused"),
    [
        (
            "BudgetRequest",
            [{"seconds": 1.5}, {"iterations": 4, "seconds": None}],
            [{}, {"seconds": None, "iterations": None}, {"seconds": 1.5, "iterations": 4}],
        ),
        (
            "TaskRequest",
            [{"network": "resnet18", "repetitions": 3}, {"network": OWN}, {"network": OWN, "repetitions": 1}],
            [{"network": OWN, "repetitions": 2}],
        ),
    ],
)
def test_the_document_allows_what_the_service_takes(
    document: dict, schema: str, accepted: list[dict], refused: list[dict]
) -> None:
    required = {"name": "x", "dataset": {"uri": "builtin://digits"}} if schema == "TaskRequest" else {}
    validator = Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": document["components"]})
    assert [validator.is_valid(required | body) for body in accepted] == [True] * len(accepted)
    assert [validator.is_valid(required | body) for body in refused] == [False] * len(refused)


def test_the_largest_matrix_is_documented(document: dict) -> None:
    assert f"{MAX_CELLS:,} cells" in document["paths"]["/v1/distances"]["get"]["description"]


def test_a_pair_that_was_not_measured_is_described(document: dict) -> None:
    described = document["paths"]["/v1/distances/{source}/{target}"]["get"]["responses"]["404"]["description"]
    assert "not measured" in described


def test_every_operation_says_what_it_does(document: dict) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (path, method)
            assert operation["description"], (path, method)


@pytest.mark.parametrize(
    ("model", "path"),
    [("TaskRequest", "tasks"), ("RecommendationRequest", "recommendations"), ("DistanceRequest", "distances")],
)
def test_the_documented_example_is_accepted_as_it_stands(
    document: dict, http: httpx.Client, task_body: dict, model: str, path: str
) -> None:
    if path == "distances":  # its example speaks of a task that is there
        assert http.post("/v1/tasks", json=task_body).status_code == 202
    for example in document["components"]["schemas"][model]["examples"]:
        assert http.post(f"/v1/{path}", json=example).status_code == 202


def test_the_documented_parts_are_accepted_too(document: dict, http: httpx.Client, task_body: dict) -> None:
    [labels] = document["components"]["schemas"]["LabelsRequest"]["examples"]
    genotypes = document["components"]["schemas"]["GenotypeRequest"]["examples"]
    answer = http.post("/v1/tasks", json=task_body | {"labels": labels, "genotypes": genotypes})
    assert answer.status_code == 202


def test_every_example_fits_the_schema_that_it_stands_in(document: dict) -> None:
    models = {
        model.__name__: model for model in (*request_models(), Problem, Dataset, DatasetSamples, DatasetSummary, Worker)
    }
    shown = {
        name: schema["examples"] for name, schema in document["components"]["schemas"].items() if "examples" in schema
    }
    assert set(shown) <= set(models)
    assert {"RecommendationRequest", "BudgetRequest", "ConstraintsRequest", "SearchRequest"} <= set(shown)
    for name, examples in shown.items():
        for example in examples:
            # The document leaves out fields that are null.
            nulls = dict.fromkeys(models[name].model_fields) if issubclass(models[name], Document) else {}
            models[name].model_validate_json(json.dumps(nulls | example))


def test_one_example_of_a_recommendation_has_every_field_that_needs_no_other_task(document: dict) -> None:
    schemas = document["components"]["schemas"]
    *_, full = schemas["RecommendationRequest"]["examples"]
    # Only a race takes candidates and a pretrained network, and it does not take other fields of the example.
    others = {"baselines", "candidates", "pretrained", "webhook"}
    assert set(schemas["RecommendationRequest"]["properties"]) - set(full) == others
    for part, model in (("search", "SearchRequest"), ("constraints", "ConstraintsRequest"), ("final", "FinalRequest")):
        assert set(full[part]) == set(schemas[model]["properties"])


def test_the_fields_of_a_search_state_their_defaults(document: dict) -> None:
    schemas = document["components"]["schemas"]
    candidates, rounds = (
        schemas["SearchRequest"]["properties"][name]["description"] for name in ("candidates", "rounds")
    )
    # An evolution's children and a bracket of random search are equally many.
    assert (RandomSearchConfig().candidates, RandomSearchConfig().epochs) == (4, EvolutionConfig().epochs)
    for count, names in (
        (FuseConfig().candidates, "`fuse`"),
        (EvolutionConfig().candidates, "`random` and `evolution`"),
        (EnasConfig().candidates, "`enas`"),
        (RandomSharingConfig().candidates, "`random_sharing`"),
    ):
        assert f"{count} with {names}" in candidates
    assert f"absent: {FuseConfig().rounds};" in rounds
    assert FuseConfig().rounds == EvolutionConfig().epochs
    properties = schemas["RecommendationRequest"]["properties"]
    assert f"at most {DEFAULT_ITERATIONS} iterations" in properties["budget"]["description"]
    assert properties["image_size"]["anyOf"][0].items() >= {"minimum": 8, "maximum": 256}.items()
    assert schemas["FinalRequest"]["properties"]["seeds"]["default"] == 1


def request_models() -> list[type[Request]]:
    found, waiting = [], [Request]
    while waiting:
        found += (below := waiting.pop().__subclasses__())
        waiting += below
    return found


def test_the_docs_page_is_served(http: httpx.Client) -> None:
    assert "/openapi.json" in http.get("/docs").text


def test_the_web_process_serves_its_document_without_torch_numpy_and_celery(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVE_THE_DOCUMENT, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
