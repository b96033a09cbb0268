"""Which parts the stack has: its own, or given ones where the environment names them."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deployments.environment import Environment
from deployments.local.errors import MissingVariables, StackError
from deployments.local.folder import Folder
from deployments.local.gateway import Gateway
from deployments.local.job_database import JobDatabase
from deployments.local.launcher import Launcher
from deployments.local.object_store import ObjectStore
from deployments.local.part import Given, Part
from deployments.local.postgres import Postgres
from deployments.local.prefect_server import PrefectServer
from deployments.local.registration import Registration
from deployments.local.vendor_emulators import GHOSTCUT, SYNC_SO, Vendor, VendorEmulator
from deployments.local.worker import Worker

EVERYTHING = frozenset({Worker.name, Gateway.name})  # they need all the others


@dataclass(frozen=True)
class Swap:
    """A part that a variable swaps for a given one, which then also takes its credentials from the environment."""

    part: str
    variable: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


OBJECT_STORE = Swap(
    ObjectStore.name, "S3_ENDPOINT_URL", ("S3_BUCKET",), ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_REGION")
)
PREFECT_SERVER = Swap(PrefectServer.name, "PREFECT_API_URL", optional=("PREFECT_API_AUTH_STRING", "PREFECT_API_KEY"))

# What is right on one's own machine only. A user's own setting wins.
LOCAL_SETTINGS = {
    "VIDEOJOBS_ALLOW_LOCAL_FILES": "true",
    "VIDEOJOBS_ALLOW_PLAIN_HTTP": "true",
    "VIDEOJOBS_ALLOW_PRIVATE_RESULTS": "true",  # the emulators' links
    "VIDEOJOBS_RETRY_DELAY_SECONDS": "1",
    "VIDEOJOBS_WORKER_DRAIN_SECONDS": "1",  # a person who has just pressed Ctrl-C waits
}


def given(swap: Swap, environment: Environment) -> Given | None:
    """The given part, if its variable is set. Raises `MissingVariables` for one without its credentials."""
    known = environment.variables()
    if swap.variable not in known:
        return None
    if missing := [name for name in swap.required if name not in known]:
        raise MissingVariables(
            f"{swap.variable} is set, so {swap.part} is not started here; then {' and '.join(missing)} must be set too."
        )
    names = (swap.variable, *swap.required, *swap.optional)
    return Given(
        swap.part,
        address=known[swap.variable],
        given_by=swap.variable,
        variables={name: known[name] for name in names if name in known},
    )


def assemble(
    environment: Environment,
    folder: Folder,
    launcher: Launcher,
    *,
    wanted: Iterable[str],
    processing_seconds: float,
    settings: Mapping[str, str],
) -> tuple[list[Part], Mapping[str, str]]:
    """The wanted parts with all that they need, and the variables of a client of them."""
    postgres = Postgres(folder, launcher)
    job_database_url = environment.variables().get("DATABASE_URL")

    def vendor(vendor: Vendor) -> Part:
        swap = Swap(vendor.name, vendor.base_url, vendor.secrets, vendor.optional)
        return given(swap, environment) or VendorEmulator(
            folder, launcher, vendor, processing_seconds=processing_seconds
        )

    vendors = [vendor(SYNC_SO), vendor(GHOSTCUT)]
    resources: list[Part] = [
        postgres,
        JobDatabase(launcher, given=job_database_url, postgres=postgres),
        given(OBJECT_STORE, environment) or ObjectStore(folder, launcher),
        *vendors,
        given(PREFECT_SERVER, environment) or PrefectServer(folder, launcher, postgres),
    ]
    # Addresses are known before anything runs, so the parts that use them can be made now too.
    known = {**variables_of(resources, folder), **settings}
    gateway = Gateway(folder, launcher, known, near=all(part.given_by is None for part in vendors))
    callable_back = [*resources, gateway] if gateway.name in wanted else resources
    everything = {**variables_of(callable_back, folder), **settings}
    parts = [*resources, Registration(launcher, known), gateway, Worker(folder, launcher, everything)]
    chosen = with_needs(parts, wanted)
    # For clients only: no part needs it, and what a run has in its environment may get into a log.
    token = {"VIDEOJOBS_TOKEN": gateway.token} if gateway in chosen else {}
    return chosen, {**variables_of(chosen, folder), **token, **settings}


def with_needs(parts: list[Part], wanted: Iterable[str]) -> list[Part]:
    """The wanted parts and all that they need, in the given order. Raises `StackError` for an unknown name."""
    by_name = {part.name: part for part in parts}
    chosen: set[str] = set()
    todo = list(wanted)
    while todo:
        name = todo.pop()
        if name not in by_name:
            raise StackError(f"There is no part {name!r}. The parts: {', '.join(by_name)}.")
        if name not in chosen:
            chosen.add(name)
            todo.extend(by_name[name].needs)
    return [part for part in parts if part.name in chosen]


def variables_of(parts: Iterable[Part], folder: Folder) -> dict[str, str]:
    """What a client of these parts has in its environment."""
    variables = {"PREFECT_HOME": str(folder.path("prefect")), **LOCAL_SETTINGS}
    for part in parts:
        variables.update(part.variables())
    chosen_by_user = {name for name in variables if name.startswith("VIDEOJOBS_")} & os.environ.keys()
    return variables | {name: os.environ[name] for name in chosen_by_user}
