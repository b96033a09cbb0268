"""Printed once the stack runs: all addresses, and how to start a run."""

import asyncio
import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console
from rich.table import Table

from deployments.local.commands.request_file import load_request_file
from deployments.local.stack.stack import Stack
from tasks.runtime.deployment_names import JOB_DEPLOYMENTS
from videojobs.states import JobKind

DEPLOYMENT: Final = JOB_DEPLOYMENTS[JobKind.PRO_VIDEO]


async def print_usage(stack: Stack, console: Console) -> None:
    """The addresses and, if the worker runs, how to start a run of the sample clip."""
    console.print(_service_table(stack))
    console.print(f"Logs: {stack.data / 'logs'}", soft_wrap=True)
    console.print(f"Variables for other programs: source {stack.data / 'environment'}", soft_wrap=True)
    for warning in _warnings(stack):
        console.print(warning, style="yellow", soft_wrap=True)
    if stack.has_service("api"):
        _print_api_access(stack, console)
    if stack.has_service("prefect_server") and not stack.override_variable("prefect_server"):
        _print_prefect_access(stack, console)
    if not stack.has_service("worker"):
        return
    parameters = load_request_file(await asyncio.to_thread(_sample_request, stack.data / "sample"))
    console.print("\nStart a run in the browser:", style="bold")
    console.print(f"  {stack.ui_url}/deployments", soft_wrap=True)
    console.print("or in a shell:", style="bold")
    command = (
        _cli_command(parameters)
        if stack.override_variable("prefect_server")
        else await _curl_command(stack, parameters)
    )
    console.print(command, soft_wrap=True, markup=False, highlight=False)
    console.print("\nCtrl-C stops everything; a second one at once.")


def _print_api_access(stack: Stack, console: Console) -> None:
    """The API's address and token."""
    address, token = stack.address_of("api"), stack.variables["VIDEOJOBS_TOKEN"]
    console.print("\nAPI and pages (in a browser):", style="bold")
    console.print(f"  {address}", soft_wrap=True, highlight=False)
    console.print(f"  token: {token}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"  curl -H 'Authorization: Bearer {token}' {address}/api/v1/jobs", soft_wrap=True, highlight=False)


def _print_prefect_access(stack: Stack, console: Console) -> None:
    """Prefect's address, and what to enter in its one login field."""
    console.print("\nPrefect (in a browser or as an API):", style="bold")
    console.print(f"  {stack.ui_url}", soft_wrap=True, highlight=False)
    login = stack.variables["PREFECT_API_AUTH_STRING"]
    console.print(f"  sign in with user:password: {login}", soft_wrap=True, markup=False, highlight=False)
    console.print("  (PREFECT_API_AUTH_STRING of the variables above)", highlight=False)


def _service_table(stack: Stack) -> Table:
    table = Table("service", "address", "external")
    for part in stack.services:
        table.add_row(part.name, part.address, part.override_variable or "")
    return table


def _warnings(stack: Stack) -> list[str]:
    """Real vendors fetch media by URL, and cannot reach an object store on this machine."""
    if not stack.has_service("object_store") or stack.override_variable("object_store"):
        return []
    return [
        f"{stack.override_variable(vendor)} is set, but that vendor cannot fetch files from the object store on this "
        "machine: set S3_ENDPOINT_URL too."
        for vendor in ("sync_so", "ghostcut")
        if stack.has_service(vendor) and stack.override_variable(vendor)
    ]


def _sample_request(folder: Path) -> Path:
    """The sample clip's request. The first call makes the clip, in a few seconds."""
    request = folder / "request.json"  # written last
    if request.exists():
        return request
    from deployments.local.sample import write_sample  # noqa: PLC0415  # its codecs take a second to load

    return write_sample(folder).request


async def _curl_command(stack: Stack, parameters: Mapping[str, Any]) -> str:
    """A curl command with the deployment's id on this server; it reads the password from the `environment` file."""
    api = stack.variables["PREFECT_API_URL"]
    async with httpx.AsyncClient(auth=stack.prefect_login, trust_env=False) as client:
        answer = await client.get(f"{api}/deployments/name/{DEPLOYMENT}")
        answer.raise_for_status()
    url = f"{api}/deployments/{answer.json()['id']}/create_flow_run"
    body = shlex.quote(json.dumps({"parameters": parameters}))
    source = f". {shlex.quote(str(stack.data / 'environment'))}"
    return (
        f'({source}; curl -u "$PREFECT_API_AUTH_STRING" -X POST {url} \\\n'
        f"  -H 'Content-Type: application/json' \\\n  -d {body})"
    )


def _cli_command(parameters: Mapping[str, Any]) -> str:
    """For an external server, whose login the Prefect CLI knows."""
    return f"{sys.executable} -m prefect deployment run {DEPLOYMENT} --params {shlex.quote(json.dumps(parameters))}"
