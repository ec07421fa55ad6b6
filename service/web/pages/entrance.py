"""`/login`: where a browser that showed no key is asked for one."""

from fastapi import APIRouter, Request, Response

from service.web.rendering import page

router = APIRouter()


@router.get("/login")
async def entrance(request: Request) -> Response:
    """The form; its script exchanges the key for a session (`POST /login`) and goes on to `?next=`."""
    return page(request, "login.html")
