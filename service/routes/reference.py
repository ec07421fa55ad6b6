"""`/docs`: what the API offers, for people; open to everyone, as its document for programs is."""

from fastapi import APIRouter, FastAPI, Request, Response

from service.http.conditional import conditional_body, tag_of
from service.reference_page import POLICY, reference_page

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs(request: Request) -> Response:
    """The page; it changes with the version alone."""
    app: FastAPI = request.app
    body = reference_page(app.openapi()).encode()
    return conditional_body(request, body, tag_of(body), "text/html", {"Content-Security-Policy": POLICY})
