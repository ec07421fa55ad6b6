"""Answers every failure with a problem document, including failures that the framework reports."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path

from ldnas.errors import LdnasError
from service.api.errors import NoKeyError, ScopeMissingError, ServiceError, WrongKeyError, internal_problem, problem_of
from service.api.http.head import offers_head
from service.api.http.security_headers import HEADERS
from service.api.http.validation import validation_problem
from service.api.problems import ProblemResponse, problem
from service.schemas.problems import Problem
from worker.errors import ArtifactStoreError, RegistryError

log = logging.getLogger(__name__)

# A recommendation takes minutes at least; an earlier retry would get the same answer.
_RETRY_SECONDS = {429: "30", 503: "5"}


ErrorPage = Callable[[Request, Problem, Mapping[str, str]], Response | None]
"""Renders a problem, with these headers, as a page; None where a program sent the request."""


def install_handlers(app: FastAPI, error_page: ErrorPage) -> None:
    """Makes `app` answer every failure: browsers with a page, programs with `application/problem+json`."""
    app.state.error_page = error_page
    for error_class in (LdnasError, RegistryError, ServiceError):
        app.add_exception_handler(error_class, _deliberate)
    app.add_exception_handler(ArtifactStoreError, _without_store)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _internal)


def answer_of(error: Exception, request: Request) -> Response:
    """The answer to a deliberate error of any layer: its document, `Retry-After`, and `WWW-Authenticate`."""
    document = problem_of(error, instance=request.url.path)
    headers = _challenge(error)
    if document.status in _RETRY_SECONDS:
        headers["Retry-After"] = _RETRY_SECONDS[document.status]
    return _refusal(request, document, headers)


def _refusal(request: Request, document: Problem, headers: Mapping[str, str]) -> Response:
    error_page: ErrorPage = request.app.state.error_page
    return error_page(request, document, headers) or ProblemResponse(document, headers)


def _challenge(error: Exception) -> dict[str, str]:
    """The `WWW-Authenticate` header that RFC 6750, section 3, requires."""
    parameters = {
        NoKeyError: "",
        WrongKeyError: ', error="invalid_token"',
        ScopeMissingError: f', error="insufficient_scope", scope="{getattr(error, "needed", "")}"',
    }
    return {"WWW-Authenticate": f'Bearer realm="ldnas"{parameters[type(error)]}'} if type(error) in parameters else {}


def _deliberate(request: Request, error: Exception) -> Response:
    return answer_of(error, request)


def _without_store(request: Request, error: Exception) -> Response:
    """Answers a failure of object storage, whose reason is for operators."""
    log.warning("%s", error)
    return answer_of(error, request)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    content_type = request.headers.get("content-type", "")
    document = validation_problem(error.errors(), content_type=content_type, instance=request.url.path)
    return _refusal(request, document, {})


def _http(request: Request, error: Exception) -> Response:
    """Answers errors of the framework: unknown path, method not allowed, body too large."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    if status < 400:
        return Response(status_code=status, headers=headers)
    detail = error.detail
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed_methods(request) or headers.get("Allow", "")
        detail = f"{request.method} is not allowed here; allowed: {headers['Allow']}."
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    document = problem(status=status, code=code, title=status.phrase, detail=detail, instance=request.url.path)
    return _refusal(request, document, headers)


def _allowed_methods(request: Request) -> str:
    """Every method of the path. The router itself reports only those of the first matching route."""
    app: FastAPI = request.app
    methods = {
        method.upper()
        for template, operations in app.openapi()["paths"].items()
        if compile_path(template)[0].match(request.url.path)
        for method in operations
    }
    if "GET" in methods and offers_head(request.url.path):
        methods.add("HEAD")
    return ", ".join(sorted(methods))


def _internal(request: Request, error: Exception) -> Response:
    """Answers a bug. Starlette raises the error again afterwards, so that the server's log has the traceback.

    This answer bypasses every middleware, so it adds their headers itself.
    """
    request_id = getattr(request.state, "request_id", "")
    return ProblemResponse(internal_problem(instance=request.url.path), {**HEADERS, "X-Request-Id": request_id})
