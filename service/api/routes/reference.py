"""`/docs`: the reference of the API for people; open to everyone, like `/openapi.json`."""

from fastapi import APIRouter, FastAPI, Request, Response

from service.api.http.conditional import conditional_body, tag_of
from service.api.reference_page import POLICY, reference_page

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs(request: Request) -> Response:
    """The page; it changes only with the version."""
    app: FastAPI = request.app
    body = reference_page(app.openapi()).encode()
    return conditional_body(request, body, tag_of(body), "text/html", {"Content-Security-Policy": POLICY})
