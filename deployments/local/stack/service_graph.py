"""The services of the stack: its own, or external ones that the environment names."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deployments.local.services.api import ApiService
from deployments.local.services.job_database import JobDatabaseService
from deployments.local.services.object_store import ObjectStoreService
from deployments.local.services.postgres import PostgresService
from deployments.local.services.prefect_server import PrefectServerService
from deployments.local.services.registration import RegistrationService
from deployments.local.services.vendor_emulators import GHOSTCUT, SYNC_SO, EmulatedVendor, VendorEmulatorService
from deployments.local.services.worker import WorkerService
from deployments.local.stack.data_dir import DataDir
from deployments.local.stack.errors import MissingVariables, StackError
from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.service import ExternalService, Service
from deployments.server.environment import Environment

ALL_SERVICES = frozenset({WorkerService.name, ApiService.name})  # they depend on all others


@dataclass(frozen=True)
class Override:
    """A service that a variable replaces with an external one, whose credentials are then also variables."""

    service: str
    variable: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


OBJECT_STORE = Override(
    ObjectStoreService.name,
    "S3_ENDPOINT_URL",
    ("S3_BUCKET",),
    ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_REGION"),
)
PREFECT_SERVER = Override(
    PrefectServerService.name, "PREFECT_API_URL", optional=("PREFECT_API_AUTH_STRING", "PREFECT_API_KEY")
)

# Right on a developer's machine only. The user's own setting wins.
LOCAL_SETTINGS = {
    "VIDEOJOBS_ALLOW_LOCAL_FILES": "true",
    "VIDEOJOBS_ALLOW_PLAIN_HTTP": "true",
    "VIDEOJOBS_ALLOW_PRIVATE_RESULTS": "true",  # the emulators' result URLs
    "VIDEOJOBS_RETRY_DELAY_SECONDS": "1",
    "VIDEOJOBS_WORKER_DRAIN_SECONDS": "1",  # the user waits after Ctrl-C
}


def external_service(override: Override, environment: Environment) -> ExternalService | None:
    """The external service, if its variable is set. Raises MissingVariables if required ones are not."""
    known = environment.variables()
    if override.variable not in known:
        return None
    if missing := [name for name in override.required if name not in known]:
        raise MissingVariables(
            f"{override.variable} is set, so {override.service} is not started here; then {' and '.join(missing)} "
            "must be set too."
        )
    names = (override.variable, *override.required, *override.optional)
    return ExternalService(
        override.service,
        address=known[override.variable],
        override_variable=override.variable,
        variables={name: known[name] for name in names if name in known},
    )


def build_services(
    environment: Environment,
    data_dir: DataDir,
    process_factory: ProcessFactory,
    *,
    selected: Iterable[str],
    processing_seconds: float,
    settings: Mapping[str, str],
) -> tuple[list[Service], Mapping[str, str]]:
    """The selected services with their dependencies, and the environment of their clients."""
    postgres = PostgresService(data_dir, process_factory)
    job_database_url = environment.variables().get("DATABASE_URL")

    def vendor_service(vendor: EmulatedVendor) -> Service:
        override = Override(vendor.name, vendor.base_url, vendor.secrets, (*vendor.optional, *vendor.settings))
        return external_service(override, environment) or VendorEmulatorService(
            data_dir, process_factory, vendor, processing_seconds=processing_seconds
        )

    vendors = [vendor_service(SYNC_SO), vendor_service(GHOSTCUT)]
    resources: list[Service] = [
        postgres,
        JobDatabaseService(process_factory, external_url=job_database_url, postgres=postgres),
        external_service(OBJECT_STORE, environment) or ObjectStoreService(data_dir, process_factory),
        *vendors,
        external_service(PREFECT_SERVER, environment) or PrefectServerService(data_dir, process_factory, postgres),
    ]
    # Addresses are known before anything runs, so the services that use them can be created now.
    known = {**client_variables(resources, data_dir), **settings}
    api = ApiService(
        data_dir, process_factory, known, vendors_local=all(vendor.override_variable is None for vendor in vendors)
    )
    callable_back = [*resources, api] if api.name in selected else resources
    everything = {**client_variables(callable_back, data_dir), **settings}
    services = [
        *resources,
        RegistrationService(process_factory, known),
        api,
        WorkerService(data_dir, process_factory, everything),
    ]
    chosen = with_dependencies(services, selected)
    # For clients only: no service needs it, and a run's environment may get into a log.
    token = {"VIDEOJOBS_TOKEN": api.token} if api in chosen else {}
    return chosen, {**client_variables(chosen, data_dir), **token, **settings}


def with_dependencies(services: list[Service], selected: Iterable[str]) -> list[Service]:
    """The selected services and their dependencies, in the given order. Raises StackError for an unknown name."""
    by_name = {service.name: service for service in services}
    chosen: set[str] = set()
    todo = list(selected)
    while todo:
        name = todo.pop()
        if name not in by_name:
            raise StackError(f"There is no service {name!r}. Services: {', '.join(by_name)}.")
        if name not in chosen:
            chosen.add(name)
            todo.extend(by_name[name].depends_on)
    return [service for service in services if service.name in chosen]


def client_variables(services: Iterable[Service], data_dir: DataDir) -> dict[str, str]:
    """The environment of a client of these services."""
    variables = {"PREFECT_HOME": str(data_dir.path("prefect")), **LOCAL_SETTINGS}
    for service in services:
        variables.update(service.variables())
    chosen_by_user = {name for name in variables if name.startswith("VIDEOJOBS_")} & os.environ.keys()
    return variables | {name: os.environ[name] for name in chosen_by_user}
