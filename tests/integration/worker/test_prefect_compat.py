"""The contract with Prefect's private API: fails by name when a new version changes what the worker relies on."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import prefect
import pytest
from prefect.context import AsyncClientContext, SyncClientContext
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.utilities.callables import get_call_parameters, parameters_to_args_kwargs
from prefect.utilities.engine import propose_state
from prefect.workers.base import BaseJobConfiguration, BaseWorker

from deployments.worker import CoroutineWorker, prefect_compat
from deployments.worker.engine import CooperativeRunEngine
from deployments.worker.job_configuration import CoroutineJobConfiguration
from deployments.worker.prefect_compat import CompatJobConfiguration, CompatWorker, ThreadlessRunEngine

ROOT: Final = Path(__file__).resolve().parents[3]
COMPAT: Final = Path(prefect_compat.__file__)
OWNERS: Final[tuple[type, ...]] = (AsyncFlowRunEngine, BaseWorker, BaseJobConfiguration)
HEIRS: Final = {
    Path(inspect.getfile(cls)) for cls in (CooperativeRunEngine, CoroutineWorker, CoroutineJobConfiguration)
}
"""Files with classes that inherit from Prefect's through ours."""
# Prefect's guide tells custom workers to set it: it is public API in spite of the underscore.
DOCUMENTED: Final = {"_display_name", "_description"}

METHODS: Final = [
    (AsyncFlowRunEngine, "_emit_flow_run_heartbeat", ["resource", "related"]),
    (AsyncFlowRunEngine, "_get_flow_run_suspension_request", []),
    (AsyncFlowRunEngine, "call_flow_fn", []),
    (AsyncFlowRunEngine, "call_hooks", ["state"]),
    (AsyncFlowRunEngine, "handle_crash", ["exc"]),
    (AsyncFlowRunEngine, "is_running", []),
    (AsyncFlowRunEngine, "run_context", []),
    (AsyncFlowRunEngine, "setup_flow_run_suspension_request", []),
    (AsyncFlowRunEngine, "start", []),
    (BaseWorker, "_cancel_run", ["flow_run_id"]),
    (BaseWorker, "_propose_failed_state", ["flow_run", "exc"]),
    (BaseWorker, "_release_limit_slot", ["flow_run_id"]),
    (BaseWorker, "_submit_run", ["flow_run"]),
    (BaseWorker, "_submit_scheduled_flow_runs", ["flow_run_response"]),
    (BaseWorker, "_sync_and_initialize", []),
    (BaseWorker, "get_and_submit_flow_runs", []),
]
ATTRIBUTES: Final = [
    (AsyncFlowRunEngine, "client"),
    (AsyncFlowRunEngine, "flow_run"),
    (AsyncFlowRunEngine, "heartbeat_seconds"),
    (AsyncFlowRunEngine, "state"),
    (BaseJobConfiguration, "_related_objects"),
    (BaseWorker, "_logger"),
    (BaseWorker, "_runs_task_group"),
    (BaseWorker, "_submitting_flow_run_ids"),
    (BaseWorker, "_work_pool_name"),
]
FUNCTIONS: Final = [
    (propose_state, ["client", "state", "flow_run_id", "force"]),
    (get_call_parameters, ["fn", "call_args", "call_kwargs", "apply_defaults"]),
    (parameters_to_args_kwargs, ["fn", "parameters"]),
    (AsyncClientContext, ["httpx_settings"]),
    (SyncClientContext, ["httpx_settings"]),
]


def members(owner: type) -> set[str]:
    """The members of Prefect's class and its bases, including those only set in a method."""
    bases = [base for base in owner.__mro__ if base.__module__.startswith("prefect.")]
    return set(dir(owner)).union(*(re.findall(r"\bself\.(\w+)\s*[:=]", inspect.getsource(base)) for base in bases))


def parameters(function: object) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]  # type: ignore[arg-type]


def changed(owner: object, name: str, what: str) -> str:
    subject = f"{getattr(owner, '__qualname__', owner)} {name}".strip()
    return f"Prefect {prefect.__version__}: {subject} {what}; adapt deployments/worker/prefect_compat.py"


@pytest.mark.parametrize(("owner", "name", "expected"), METHODS, ids=[name for _, name, _ in METHODS])
def test_prefect_has_this_method(owner: type, name: str, expected: list[str]) -> None:
    method = getattr(owner, name, None)
    assert method is not None, changed(owner, name, "is gone")
    assert parameters(method) == expected, changed(owner, name, f"takes {parameters(method)}, not {expected}")


@pytest.mark.parametrize(("owner", "name"), ATTRIBUTES, ids=[name for _, name in ATTRIBUTES])
def test_prefect_has_this_attribute(owner: type, name: str) -> None:
    assert name in members(owner), changed(owner, name, "is gone")


@pytest.mark.parametrize(
    ("function", "expected"),
    FUNCTIONS,
    ids=[
        "propose_state",
        "get_call_parameters",
        "parameters_to_args_kwargs",
        "AsyncClientContext",
        "SyncClientContext",
    ],
)
def test_prefect_has_this_function(function: object, expected: list[str]) -> None:
    assert parameters(function) == expected, changed(function, "", f"takes {parameters(function)}, not {expected}")


@pytest.mark.parametrize("context", [AsyncClientContext, SyncClientContext])
def test_client_contexts_can_be_entered_and_hold_a_client(context: type) -> None:
    assert "client" in members(context) | set(context.__annotations__), changed(context, "client", "is gone")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (AsyncFlowRunEngine, (ThreadlessRunEngine, CooperativeRunEngine)),
        (BaseWorker, (CompatWorker, CoroutineWorker)),
        (BaseJobConfiguration, (CompatJobConfiguration, CoroutineJobConfiguration)),
    ],
)
def test_prefect_uses_none_of_our_names(theirs: type, ours: tuple[type, ...]) -> None:
    """Our attribute would silently override a member that Prefect adds later."""
    used = {name for owner, name, _ in METHODS if owner is theirs} | {n for owner, n in ATTRIBUTES if owner is theirs}
    added = {name for cls in ours for name in members_of_source(cls)} - used - overridable(theirs)
    clashes = sorted(added & members(theirs))
    assert clashes == [], changed(theirs, ", ".join(clashes), "is new, and means something else here")


def overridable(owner: type) -> set[str]:
    """The documented hooks of a worker type and its configuration, and what Python itself uses."""
    names = {"type", "job_configuration", "job_configuration_variables", "setup", "teardown", "run", "__init__"}
    fields = {"json_template", "prepare_for_flow_run"}
    return names | fields | DOCUMENTED if owner is not AsyncFlowRunEngine else set()


def members_of_source(cls: type) -> set[str]:
    source = inspect.getsource(cls)
    own = {name for name in vars(cls) if re.search(rf"\b{re.escape(name)}\b", source)}
    return own | set(re.findall(r"\bself\.(\w+)\s*[:=][^=]", source))


def test_every_private_name_in_the_file_is_in_this_contract() -> None:
    listed = {name for _, name, _ in METHODS} | {name for _, name in ATTRIBUTES}
    assert private_names(COMPAT) - listed - {"_SHARED_SETTINGS"} == set()


def test_no_other_file_uses_private_api_of_prefect() -> None:
    theirs = {name for owner in OWNERS for name in members(owner) if name.startswith("_") and name[1] != "_"}
    found = []
    for file in product_files():
        found += [f"{file.name}: {module}" for module in private_imports(file)]
        if file in HEIRS:
            found += [f"{file.name}: {name}" for name in sorted(private_names(file) & theirs - DOCUMENTED)]
    assert found == []


def product_files() -> Iterator[Path]:
    for package in ("flows", "tasks", "blocks", "deployments"):
        yield from (file for file in (ROOT / package).rglob("*.py") if file != COMPAT)


def private_imports(file: Path) -> list[str]:
    """Imports of Prefect's private or engine modules, and assignments to its modules."""
    hidden = re.compile(
        r"^prefect(\.\w+)*\._(?!_)|^prefect\.(flow_engine|task_engine|context|utilities\.(engine|callables))\b"
    )
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.ImportFrom(module=str(module), names=names) if module.split(".")[0] == "prefect":
                found += [f"{module}.{name.name}" for name in names if hidden.match(f"{module}.{name.name}")]
            case ast.Import(names=names):
                found += [name.name for name in names if hidden.match(name.name)]
            case ast.Assign(targets=[ast.Attribute(value=ast.Attribute() | ast.Name() as target)]):
                found += [ast.unparse(target)] if ast.unparse(target).startswith("prefect.") else []
    return found


def private_names(file: Path) -> set[str]:
    """Names with one underscore that are read from an object, or defined in a class."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.ClassDef):
            found |= {item.name for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}
    return {name for name in found if name.startswith("_") and not name.startswith("__")}
