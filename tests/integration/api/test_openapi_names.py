"""What generated clients take from the OpenAPI document: names of operations and groups, and the server."""

import re
from typing import Any

import pytest

from tests.support.api_server import BrokenServices, asgi_client
from videojobs.errors import DatabaseUnavailable

Operations = dict[str, dict[str, Any]]  # by method and path


@pytest.fixture
async def document() -> dict[str, Any]:
    async with asgi_client(BrokenServices(DatabaseUnavailable("not needed"))) as http:
        found: dict[str, Any] = (await http.get("/openapi.json")).json()
    return found


@pytest.fixture
def operations(document: dict[str, Any]) -> Operations:
    return {
        f"{method} {path}": operation for path, item in document["paths"].items() for method, operation in item.items()
    }


def test_operation_ids_are_short_and_unique(operations: Operations) -> None:
    ids = [operation["operationId"] for operation in operations.values()]
    assert sorted(ids) == sorted(set(ids))
    assert [name for name in ids if not re.fullmatch(r"[a-z_]{4,40}", name) or "api_v1" in name] == []


def test_every_group_has_a_description(document: dict[str, Any], operations: Operations) -> None:
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert {tag for operation in operations.values() for tag in operation["tags"]} <= described


def test_callbacks_of_vendors_have_a_group_of_their_own(operations: Operations) -> None:
    grouped = [name for name, operation in operations.items() if "vendor callbacks" in operation["tags"]]
    assert grouped == ["post /callbacks/{provider}/{token}"]


def test_the_server_is_the_one_that_serves_the_document(document: dict[str, Any]) -> None:
    assert [server["url"] for server in document["servers"]] == ["/"]
