"""Valid and invalid requests that schemathesis generates from the OpenAPI document: every response must match the
document.
"""

import asyncio
import sys
from pathlib import Path
from typing import Final

from tests.integration.api.conftest import run_api_server
from videojobs.db.tokens import Scope

EXAMPLES_PER_OPERATION: Final = 15  # of each kind for each operation; hundreds find nothing more and take minutes
SCHEMATHESIS: Final = str(Path(sys.executable).with_name("schemathesis"))
UNLIMITED_SETTINGS: Final = {
    "requests_per_minute": 1_000_000,
    "failures_per_minute": 1_000_000,
    "direct_uploads_at_once": 10_000,
}


async def run_schemathesis(*options: str, folder: Path) -> tuple[int | None, str]:
    """Run it in its own folder, where it keeps its findings."""
    process = await asyncio.create_subprocess_exec(
        SCHEMATHESIS, "run", *options, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_every_response_matches_the_openapi_document(
    service_variables: dict[str, str], tmp_path: Path, user: str
) -> None:
    with run_api_server(
        service_variables,
        **UNLIMITED_SETTINGS,
        job_poll_interval_seconds=0.05,
        heartbeat_seconds=0.1,
        stream_minutes=0.005,
    ) as api:
        token = await api.create_token(user, Scope.SUBMIT, Scope.READ)
        code, out = await run_schemathesis(
            f"{api.base_url}/openapi.json",
            *("--header", f"Authorization: Bearer {token}"),
            *("--max-examples", str(EXAMPLES_PER_OPERATION), "--request-timeout", "20"),
            *("--generation-deterministic", "--no-color"),
            # Rules between fields and rules on file contents are in no schema. 422 is a documented response.
            *("--exclude-checks", "positive_data_acceptance"),
            folder=tmp_path,
        )
    assert code == 0, out
