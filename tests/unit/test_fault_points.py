"""Every commit, paid or free call, storage write and stream of the product has its fault points, read from the source.

Whoever adds one is told by these tests to give it a name; the crash matrix then kills the process there.
"""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from videojobs.faults import CALLS, COMMITS, POINTS, STORING, STREAMS

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("videojobs", "blocks", "tasks", "flows")

TRANSACTIONS = {"begin", "begin_nested", "commit", "connect", "async_sessionmaker", "AsyncSession", "Session"}
LEDGER_WRITES = {"add", "add_all", "delete", "flush", "merge", "insert", "update", "move", "note"}
STORE_READS = {"head_object", "get_object", "generate_presigned_url", "get_paginator"}
CLIENT_READS = {"build_request", "timeout"}
HTTP_DOORS = {
    ("videojobs/vendors/http.py", "vendor_http"),  # the vendors' client, used up by `send`
    ("videojobs/media/pinned.py", "guarded_http"),  # streams of files, metered on their way
}


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def files(*rooms: str) -> Iterator[tuple[str, ast.Module]]:
    """Path from the root, and source, of all modules of a room; migrations run before there are any jobs."""
    for room in rooms:
        for file in sorted((ROOT / room).rglob("*.py")):
            name = file.relative_to(ROOT).as_posix()
            if not name.startswith(("videojobs/ledger/migrat", "videojobs/ledger/connection")):
                yield name, parsed(file)


def called(node: ast.AST) -> str | None:
    """The last part of the name of what a call calls."""
    if not isinstance(node, ast.Call):
        return None
    return getattr(node.func, "attr", None) or getattr(node.func, "id", None)


def functions(*rooms: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for name, module in files(*rooms):
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield name, node


def where(wanted: Callable[[ast.AST], bool], *rooms: str) -> set[tuple[str, str]]:
    """(file, function) of everything of that kind; of nested functions also the outer ones."""
    return {
        (name, function.name)
        for name, function in functions(*rooms)
        if any(wanted(node) for node in ast.walk(function))
    }


def constants(function_names: set[str], *rooms: str) -> list[str]:
    """The texts that are given to calls of these names as their first argument."""
    return [
        str(given.value)
        for _, module in files(*rooms)
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and called(node) in function_names
        for given in node.args[:1]
        if isinstance(given, ast.Constant)
    ]


# ---- commits ---------------------------------------------------------------------------------------------


def test_one_function_opens_transactions_and_one_commits_what_was_written() -> None:
    assert where(lambda node: called(node) in TRANSACTIONS, *ROOMS) == {
        ("videojobs/ledger/books.py", "_opened"),
        ("videojobs/ledger/bell.py", "_hear"),  # listens, and writes nothing
    }
    used = where(lambda node: called(node) == "_opened", *ROOMS)
    assert used == {("videojobs/ledger/books.py", name) for name in ("_reading", "_aside", "_writing")}


def test_nothing_is_written_in_a_transaction_that_only_reads() -> None:
    """`_reading` has no fault point, since nothing is lost there: so nothing may be changed there."""
    found = [
        f"{name}:{block.lineno} {ast.unparse(node)}"
        for name, function in functions(*ROOMS)
        for block in ast.walk(function)
        if isinstance(block, ast.AsyncWith) and any(called(item.context_expr) == "_reading" for item in block.items)
        for node in ast.walk(block)
        if (called(node) in LEDGER_WRITES or (isinstance(node, ast.Assign) and _sets_a_column(node)))
    ]
    assert found == []


def test_what_is_written_without_fault_points_is_not_a_jobs() -> None:
    used = where(lambda node: called(node) == "_aside", *ROOMS)
    assert {name for name, _ in used} == {"videojobs/ledger/tokens.py", "videojobs/ledger/uploads.py"}


def _sets_a_column(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Attribute) for each in node.targets for target in ast.walk(each))


def test_every_verb_that_writes_has_its_two_fault_points_and_every_pair_its_verb() -> None:
    verbs = constants({"_writing", "_held"}, *ROOMS)
    assert sorted(verbs) == sorted(COMMITS), "each commit has a name of its own, and each name its commit"


def test_every_transaction_that_writes_names_its_verb_on_the_spot() -> None:
    """Else the test above would not see it. Only `_held`, which hands its caller's verb on, may do otherwise."""
    hidden = where(
        lambda node: (
            isinstance(node, ast.Call)
            and called(node) in ("_writing", "_held")
            and not isinstance(node.args[0], ast.Constant)
        ),
        *ROOMS,
    )
    assert hidden == {("videojobs/ledger/books.py", "_held")}


# ---- vendors' calls --------------------------------------------------------------------------------------


def test_http_clients_are_made_in_two_places_only() -> None:
    def makes_a_client(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "httpx"
            and node.func.attr in ("AsyncClient", "Client", "get", "post", "put", "delete", "request", "stream")
        )

    assert where(makes_a_client, *ROOMS) == HTTP_DOORS


def test_every_request_to_a_vendor_leaves_through_one_function() -> None:
    """A client's `http` only builds requests; what sends them is `videojobs.vendors.http.send`."""

    def speaks(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name | ast.Attribute)
            and (getattr(node.value, "attr", None) or getattr(node.value, "id", "")) in ("http", "_http")
            and node.attr not in CLIENT_READS
        )

    assert where(speaks, "videojobs/vendors", "blocks", "tasks", "flows") == {("videojobs/vendors/http.py", "send")}


def test_every_call_of_a_vendor_has_its_two_fault_points_and_every_pair_its_call() -> None:
    names = {
        node.value
        for _, module in files("videojobs/vendors")
        for node in ast.walk(module)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"(sync_so|ghostcut)\.\w+", node.value)
    }
    assert names == set(CALLS)


def test_sending_passes_the_fault_points_right_before_and_after() -> None:
    """`before` with nothing sent, `after` with the answer in memory: nothing else happens between."""
    [send] = [function for name, function in functions("videojobs/vendors") if function.name == "send"]
    steps = [called(node) for node in ast.walk(send) if called(node) in ("fault_point", "send")]
    lines = [node.lineno for node in ast.walk(send) if isinstance(node, ast.Call) and called(node) in steps]
    order = sorted(zip(lines, steps, strict=True))
    assert [step for _, step in order] == ["fault_point", "send", "fault_point"]


# ---- storage ---------------------------------------------------------------------------------------------


def test_one_module_talks_to_the_object_store() -> None:
    """Whoever asks a block for its client wraps it in an ObjectStore at once."""

    def takes_a_client(node: ast.AST) -> bool:
        return called(node) == "get_client" and "s3" in constants_of(node)

    def wraps_a_client(node: ast.AST) -> bool:
        return called(node) == "ObjectStore" and any(takes_a_client(child) for child in ast.walk(node))

    assert where(takes_a_client, *ROOMS) == where(wraps_a_client, *ROOMS) != set()
    clients = where(lambda node: isinstance(node, ast.Attribute) and node.attr == "_client", "videojobs/media")
    assert {name for name, _ in clients} == {"videojobs/media/store.py"}


def constants_of(call: ast.AST) -> list[object]:
    return [argument.value for argument in getattr(call, "args", []) if isinstance(argument, ast.Constant)]


def writers() -> dict[str, list[str]]:
    """The functions of the store that change it, and the fault points in each."""
    return {
        function.name: [str(value) for node in ast.walk(function) for value in _point(node)]
        for _, function in functions("videojobs/media")
        if any(_changes_the_store(node) for node in ast.walk(function))
    }


def _changes_the_store(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Attribute)
        and node.func.value.attr == "_client"
        and node.func.attr not in STORE_READS
    )


def _point(node: ast.AST) -> list[object]:
    return constants_of(node) if called(node) == "fault_point" else []


def test_every_change_of_the_store_has_its_two_fault_points_and_every_pair_its_change() -> None:
    changes = {point.rpartition(".")[0] for points in writers().values() for point in points}
    assert changes == set(STORING)
    for name, points in writers().items():
        assert sorted(point.rpartition(".")[2] for point in points) == ["after", "before"], name


# ---- streams ---------------------------------------------------------------------------------------------


def test_every_stream_of_bytes_is_metered_under_its_own_name() -> None:
    streams = [
        keyword.value.value
        for _, module in files("videojobs/media")
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and called(node) == "Metered"
        for keyword in node.keywords
        if keyword.arg == "stream" and isinstance(keyword.value, ast.Constant)
    ]
    assert sorted(map(str, streams)) == sorted(STREAMS)


def test_bytes_flow_nowhere_but_through_a_meter() -> None:
    """What moves bytes in bulk stands in a function that meters them, or in `fetch`, which the steps of a job leave."""
    moves = where(lambda node: called(node) in ("copyfileobj", "upload_fileobj"), *ROOMS)
    metered = where(lambda node: called(node) == "Metered", *ROOMS)
    assert moves - metered == {("videojobs/media/store.py", "fetch")}
    assert not where(lambda node: called(node) == "fetch", "tasks", "flows")


# ---- the list itself -------------------------------------------------------------------------------------


def test_no_fault_point_is_named_twice_and_all_belong_to_one_of_the_four_kinds() -> None:
    assert len(POINTS) == len(set(POINTS)) == 2 * (len(COMMITS) + len(CALLS) + len(STORING)) + len(STREAMS)


@pytest.mark.parametrize("room", ROOMS)
def test_whoever_writes_a_name_in_full_writes_one_of_the_list(room: str) -> None:
    assert set(constants({"fault_point"}, room)) <= set(POINTS)


# ---- the page --------------------------------------------------------------------------------------------


def test_the_crash_matrix_has_been_at_every_fault_point_or_says_why_not() -> None:
    """`make crash` writes the page; whoever adds a fault point has to run it again."""
    page = (ROOT / "docs/crash-matrix.md").read_text()
    assert [point for point in POINTS if point not in page] == []
