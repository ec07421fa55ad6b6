"""The page that explains the API: complete, and without anything from elsewhere."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import httpx
import pytest
from fastapi import FastAPI

from service.api.routes.reference import reference_page


class Parsed(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))


@pytest.fixture
def page(http: httpx.Client) -> str:
    answer = http.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


def test_the_page_loads_nothing_and_runs_nothing(page: str) -> None:
    tags = Parsed(page).tags
    assert not {"script", "link", "img", "iframe", "form"} & {tag for tag, _ in tags}
    assert not [
        name for _, attributes in tags for name in attributes if name.startswith("on") or name in ("src", "style")
    ]
    links = [attributes["href"] for tag, attributes in tags if tag == "a"]
    assert "/openapi.json" in links
    assert not [link for link in links if not (link or "").startswith(("/", "#"))]


def test_its_policy_admits_its_own_style_and_nothing_else(http: httpx.Client, page: str) -> None:
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = http.get("/docs").headers["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


def test_every_operation_with_its_scope_and_every_body_is_on_it(app: FastAPI, page: str) -> None:
    document = app.openapi()
    for path, operations in document["paths"].items():
        for method in operations:
            assert f'<span class="method">{method.upper()}</span> <code>{path}</code>' in page
    ids = {attributes.get("id") for tag, attributes in Parsed(page).tags if tag == "details"}
    assert set(document["components"]["schemas"]) <= ids
    assert 'Delete a task <span class="scope">(admin)</span>' in page
    assert 'Liveness <span class="scope">(open)</span>' in page


def test_every_link_on_it_leads_somewhere(page: str) -> None:
    tags = Parsed(page).tags
    ids = {attributes["id"] for _, attributes in tags if "id" in attributes}
    targets = {
        (attributes["href"] or "")[1:]
        for tag, attributes in tags
        if tag == "a"
        if attributes["href"] != "/openapi.json"
    }
    assert targets
    assert targets <= ids


def test_what_a_document_says_is_shown_and_not_run() -> None:
    evil = "<script>alert(1)</script>"
    document = {
        "info": {"title": evil, "version": evil, "summary": evil},
        "paths": {
            "/a": {
                "get": {"summary": evil, "tags": [evil], "parameters": [], "responses": {"200": {"description": evil}}}
            }
        },
        "components": {
            "schemas": {evil: {"description": evil, "properties": {evil: {"type": "string", "default": evil}}}}
        },
    }
    assert "<script>" not in reference_page(document)


@pytest.mark.parametrize("path", ["/redoc", "/docs/oauth2-redirect"])
def test_the_frameworks_own_pages_are_gone(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 404
