"""`/login`: asks for a key if the browser has sent none."""

from fastapi import APIRouter, Request, Response

from service.dashboard.rendering import page

router = APIRouter()


@router.get("/login")
async def login(request: Request) -> Response:
    """Shows the form. Its script exchanges the key for a session (`POST /login`), then opens `?next=`."""
    return page(request, "login.html")
