"""Every commit, vendor call, storage write and stream in the source has its fault points.

New code without them fails here. The fault matrix then kills the process at each point.
"""

import ast
import re
from collections.abc import Callable, Iterator

import pytest

from tests.support.source_tree import ROOT, FunctionNode, parse_module, python_files, walk
from videojobs.testing.fault_injection import (
    BATCH_WRITES,
    DB_WRITES,
    DELIVERY_POINTS,
    DELIVERY_WRITES,
    FAULT_POINTS,
    STORAGE_WRITES,
    STREAMS,
    VENDOR_CALLS,
)

PACKAGES = ("videojobs", "blocks", "tasks", "flows")

TRANSACTIONS = {"begin", "begin_nested", "commit", "connect", "async_sessionmaker", "AsyncSession", "Session"}
LEDGER_WRITES = {"add", "add_all", "delete", "flush", "merge", "insert", "update"} | {
    "merge_json",
    "move_to_point",
    "add_event",
    "add_public_event",
    "enqueue_webhooks",
    "reopen_job",
}
STORE_READS = {"head_object", "get_object", "generate_presigned_url", "get_paginator"}
CLIENT_READS = {"build_request", "timeout"}
HTTP_CLIENT_FACTORIES = {
    ("videojobs/providers/http.py", "vendor_http_client"),  # the vendors' client, used by `send`
    ("videojobs/media/pinned_transport.py", "ssrf_safe_client"),  # file downloads, checked while they stream
    ("videojobs/webhooks/sender.py", "__init__"),  # webhooks, whose `send` has fault points
}


def modules(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    """Path and syntax tree of each module of these folders, without migrations, which run before any job."""
    for package in packages:
        for file in python_files(package):
            name = file.relative_to(ROOT).as_posix()
            if not name.startswith(("videojobs/db/migrat", "videojobs/db/engine")):
                yield name, parse_module(file)


def called_name(node: ast.AST) -> str | None:
    """The last part of the name of a called function."""
    if not isinstance(node, ast.Call):
        return None
    return getattr(node.func, "attr", None) or getattr(node.func, "id", None)


def function_nodes(*packages: str) -> Iterator[tuple[str, FunctionNode]]:
    for name, module in modules(*packages):
        for node in walk(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield name, node


def functions_containing(predicate: Callable[[ast.AST], bool], *packages: str) -> set[tuple[str, str]]:
    """The (file, function) pairs that contain such a node; for nested functions also the outer ones."""
    return {
        (name, function.name)
        for name, function in function_nodes(*packages)
        if any(predicate(node) for node in walk(function))
    }


def first_arguments(function_names: set[str], *packages: str) -> list[str]:
    """The strings passed as first argument to these functions."""
    return [
        str(given.value)
        for _, module in modules(*packages)
        for node in walk(module)
        if isinstance(node, ast.Call) and called_name(node) in function_names
        for given in node.args[:1]
        if isinstance(given, ast.Constant)
    ]


# ---- commits ---------------------------------------------------------------------------------------------


def test_transactions_are_opened_in_one_function_only() -> None:
    assert functions_containing(lambda node: called_name(node) in TRANSACTIONS, *PACKAGES) == {
        ("videojobs/db/repository_base.py", "_session"),
        ("videojobs/db/notifications.py", "_receive"),  # listens, and writes nothing
    }
    used = functions_containing(lambda node: called_name(node) == "_session", *PACKAGES)
    assert used == {
        ("videojobs/db/repository_base.py", name)
        for name in ("_read_session", "_untracked_transaction", "_transaction")
    }


def test_a_read_transaction_contains_no_writes() -> None:
    """`_read_session` has no fault point, since nothing can be lost there. So it must not write."""
    found = [
        f"{name}:{block.lineno} {ast.unparse(node)}"
        for name, function in function_nodes(*PACKAGES)
        for block in walk(function)
        if isinstance(block, ast.AsyncWith)
        and any(called_name(item.context_expr) == "_read_session" for item in block.items)
        for node in walk(block)
        if (called_name(node) in LEDGER_WRITES or (isinstance(node, ast.Assign) and _is_column_assignment(node)))
    ]
    assert found == []


def test_untracked_writes_do_not_belong_to_a_job() -> None:
    used = functions_containing(lambda node: called_name(node) == "_untracked_transaction", *PACKAGES)
    assert {name for name, _ in used} == {
        "videojobs/db/result_links.py",  # the key of links, which no step reads
        "videojobs/db/tokens.py",
        "videojobs/db/uploads.py",
        "videojobs/db/webhook_endpoints.py",  # the user's changes: without an answer, the user repeats them
        "videojobs/db/webhook_deliveries.py",  # replays, as above, and the deletion of old rows
    }


def _is_column_assignment(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Attribute) for each in node.targets for target in walk(each))


def test_commits_and_commit_fault_points_match() -> None:
    verbs = first_arguments({"_transaction", "_locked_job"}, *PACKAGES)
    assert sorted(verbs) == sorted((*DB_WRITES, *DELIVERY_WRITES, *BATCH_WRITES)), (
        "each commit has a name of its own, and each name its commit"
    )


def test_every_write_transaction_has_a_literal_name() -> None:
    """Otherwise the test above would miss it. Only `_locked_job` is exempt: it passes its caller's name on."""
    hidden = functions_containing(
        lambda node: (
            isinstance(node, ast.Call)
            and called_name(node) in ("_transaction", "_locked_job")
            and not isinstance(node.args[0], ast.Constant)
        ),
        *PACKAGES,
    )
    assert hidden == {("videojobs/db/repository_base.py", "_locked_job")}


# ---- vendor calls ----------------------------------------------------------------------------------------


def test_http_clients_are_created_in_two_functions_only() -> None:
    def is_client_creation(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "httpx"
            and node.func.attr in ("AsyncClient", "Client", "get", "post", "put", "delete", "request", "stream")
        )

    assert functions_containing(is_client_creation, *PACKAGES) == HTTP_CLIENT_FACTORIES


def test_every_vendor_request_goes_through_send() -> None:
    """A client's `http` only builds requests; `videojobs.providers.http.send` sends them."""

    def is_http_call(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name | ast.Attribute)
            and (getattr(node.value, "attr", None) or getattr(node.value, "id", "")) in ("http", "_http")
            and node.attr not in CLIENT_READS
        )

    assert functions_containing(is_http_call, "videojobs/providers", "blocks", "tasks", "flows") == {
        ("videojobs/providers/http.py", "send")
    }


def test_vendor_calls_and_call_fault_points_match() -> None:
    names = {
        node.value
        for _, module in modules("videojobs/providers")
        for node in walk(module)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"(sync_so|ghostcut)\.\w+", node.value)
    }
    assert names == set(VENDOR_CALLS)


def test_send_has_fault_points_directly_around_the_request() -> None:
    """At `before` nothing has been sent, at `after` the response is in memory: nothing else happens between them."""
    [send] = [function for name, function in function_nodes("videojobs/providers") if function.name == "send"]
    steps = [called_name(node) for node in walk(send) if called_name(node) in ("fault_point", "send")]
    lines = [node.lineno for node in walk(send) if isinstance(node, ast.Call) and called_name(node) in steps]
    order = sorted(zip(lines, steps, strict=True))
    assert [step for _, step in order] == ["fault_point", "send", "fault_point"]


# ---- storage ---------------------------------------------------------------------------------------------


def test_only_one_module_calls_the_s3_client() -> None:
    """A block's client is wrapped in an ObjectStore at once."""

    def is_client_use(node: ast.AST) -> bool:
        return called_name(node) == "get_client" and "s3" in constant_arguments(node)

    def is_store_creation(node: ast.AST) -> bool:
        return called_name(node) == "ObjectStore" and any(is_client_use(child) for child in walk(node))

    assert functions_containing(is_client_use, *PACKAGES) == functions_containing(is_store_creation, *PACKAGES) != set()
    clients = functions_containing(
        lambda node: isinstance(node, ast.Attribute) and node.attr == "_client", "videojobs/storage"
    )
    assert {name for name, _ in clients} == {"videojobs/storage/object_store.py"}


def constant_arguments(call: ast.AST) -> list[object]:
    return [argument.value for argument in getattr(call, "args", []) if isinstance(argument, ast.Constant)]


def store_writers() -> dict[str, list[str]]:
    """The functions that write to the store, and the fault points in each."""
    return {
        function.name: [str(value) for node in walk(function) for value in _fault_point_name(node)]
        for _, function in function_nodes("videojobs/storage")
        if any(_is_store_write(node) for node in walk(function))
    }


def _is_store_write(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Attribute)
        and node.func.value.attr == "_client"
        and node.func.attr not in STORE_READS
    )


def _fault_point_name(node: ast.AST) -> list[object]:
    return constant_arguments(node) if called_name(node) == "fault_point" else []


def test_store_writes_and_store_fault_points_match() -> None:
    changes = {point.rpartition(".")[0] for points in store_writers().values() for point in points}
    assert changes == set(STORAGE_WRITES)
    for name, points in store_writers().items():
        assert sorted(point.rpartition(".")[2] for point in points) == ["after", "before"], name


# ---- streams ---------------------------------------------------------------------------------------------


def test_every_byte_stream_is_checked_under_its_own_name() -> None:
    streams = [
        keyword.value.value
        for _, module in modules("videojobs/storage", "videojobs/media")
        for node in walk(module)
        if isinstance(node, ast.Call) and called_name(node) == "LengthCheckedStream"
        for keyword in node.keywords
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant)
    ]
    assert sorted(map(str, streams)) == sorted(STREAMS)


def test_bulk_transfers_always_use_a_checked_stream() -> None:
    """Every bulk transfer is in a function that checks its length, or in `ObjectStore.download`, unused by steps."""
    moves = functions_containing(lambda node: called_name(node) in ("copyfileobj", "upload_fileobj"), *PACKAGES)
    metered = functions_containing(lambda node: called_name(node) == "LengthCheckedStream", *PACKAGES)
    assert moves - metered == {("videojobs/storage/object_store.py", "download")}
    assert not functions_containing(
        lambda node: isinstance(node, ast.Call) and ast.unparse(node.func).endswith("store.download"), "tasks", "flows"
    )


# ---- the list itself -------------------------------------------------------------------------------------


def test_fault_points_are_unique_and_of_the_four_kinds() -> None:
    assert (
        len(FAULT_POINTS)
        == len(set(FAULT_POINTS))
        == 2 * (len(DB_WRITES) + len(BATCH_WRITES) + len(VENDOR_CALLS) + len(STORAGE_WRITES))
        + len(STREAMS)
        + len(DELIVERY_POINTS)
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_literal_fault_point_names_are_registered(package: str) -> None:
    assert set(first_arguments({"fault_point"}, package)) <= set(FAULT_POINTS)


# ---- the page --------------------------------------------------------------------------------------------


def test_the_fault_report_covers_every_fault_point() -> None:
    """`make fault-test` writes the page; run it again after adding a fault point."""
    page = (ROOT / "docs/fault-matrix.md").read_text()
    assert [point for point in FAULT_POINTS if point not in page] == []
