"""Every deliberate error of every floor has a status and a title of its own."""

import inspect
from types import ModuleType

import pytest

import ldnas.errors
import service.api.errors
import worker.errors
from service.api.errors import INTERNAL, JOB_KINDS, KINDS, problem_of, problem_of_job
from worker.errors import error_code, failure_of, internal_failure

TREES = (ldnas.errors, worker.errors, service.api.errors)
ROOTS = {ldnas.errors.LdnasError, worker.errors.RegistryError, service.api.errors.ServiceError}


ANSWERED = (*ROOTS, worker.errors.ArtifactStoreError)


def errors_of(tree: ModuleType) -> list[type[Exception]]:
    defined = (member for _, member in inspect.getmembers(tree, inspect.isclass) if member.__module__ == tree.__name__)
    return [member for member in defined if issubclass(member, ANSWERED)]


ALL = [error for tree in TREES for error in errors_of(tree)]


def made(error: type[Exception]) -> Exception:
    """An instance, whatever its constructor asks for."""
    if error.__init__ is Exception.__init__:
        return error("<message>")
    wanted = [
        parameter
        for parameter in inspect.signature(error).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.default is parameter.empty
    ]
    return error(*(f"<{parameter.name}>" for parameter in wanted))


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_the_mapping_knows_every_error_by_itself(error: type[Exception]) -> None:
    assert error in KINDS


def test_the_mapping_knows_nothing_else() -> None:
    assert set(KINDS) == set(ALL)


def test_no_two_errors_share_a_code() -> None:
    codes = [error_code(error) for error in ALL] + list(JOB_KINDS)
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_a_deliberate_error_does_not_look_like_a_bug_to_a_client(error: type[Exception]) -> None:
    document = problem_of(made(error), instance="/v1/x")
    assert document.status == KINDS[error].status
    assert (document.status == 500) == (error in ROOTS)
    assert document.code == error_code(error)
    assert document.title
    assert document.detail


REFUSALS = [error for error in errors_of(ldnas.errors) if issubclass(error, ldnas.errors.RefusedError)]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: error.__name__)
def test_a_job_that_failed_says_the_same_as_a_request_that_was_refused(error: type[Exception]) -> None:
    refusal = error("row 17 is cut short", field="dataset.uri", origin="row 17")
    assert problem_of_job(failure_of(refusal)) == problem_of(refusal)


def test_a_message_that_was_not_written_for_a_client_stays_inside() -> None:
    lost = worker.errors.DatabaseUnavailableError("connection to db.internal:5432 refused")
    assert "db.internal" not in problem_of(lost).model_dump_json()
    assert "secret" not in problem_of(ldnas.errors.LdnasError("secret")).model_dump_json()


def test_a_bug_in_a_job_and_a_code_of_a_newer_worker_are_shown() -> None:
    assert problem_of_job(internal_failure("j")).title == INTERNAL.title
    unknown = problem_of_job({"code": "out_of_paper", "detail": "no paper", "field": None, "origin": None})
    assert (unknown.status, unknown.code, unknown.detail) == (500, "out_of_paper", "no paper")
