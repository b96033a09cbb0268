"""A client that follows the documentation: it repeats its request with the same key until it succeeds."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import httpx

from tasks.runtime.deployment_names import JOB_DEPLOYMENTS
from videojobs.states import JobKind

DEPLOYMENT: Final = JOB_DEPLOYMENTS[JobKind.PRO_VIDEO]
RETRY_DELAY: Final = 1.0
TIMEOUT: Final = 10.0  # for a server that is being killed, or is busy


class PrefectApiClient:
    """Calls the Prefect API without Prefect's libraries. Counts repeated requests."""

    def __init__(self, api: str, login: tuple[str, str] | None) -> None:
        self._http = httpx.AsyncClient(base_url=api, auth=login, timeout=TIMEOUT, trust_env=False)
        self._deployments: dict[str, str] = {}
        self.retries = 0

    async def submit(self, parameters: Mapping[str, Any], key: str, deployment: str = DEPLOYMENT) -> str:
        """The id of the run with this key. Returns only after the server has confirmed it."""
        while True:
            try:
                return await self._submit(parameters, key, deployment)
            except httpx.HTTPError:
                self.retries += 1
                await asyncio.sleep(RETRY_DELAY)

    async def _submit(self, parameters: Mapping[str, Any], key: str, deployment: str) -> str:
        if deployment not in self._deployments:
            found = await self._http.get(f"/deployments/name/{deployment}")
            self._deployments[deployment] = str(found.raise_for_status().json()["id"])
        answer = await self._http.post(
            f"/deployments/{self._deployments[deployment]}/create_flow_run",
            json={"parameters": parameters, "idempotency_key": key},
        )
        return str(answer.raise_for_status().json()["id"])

    async def close(self) -> None:
        await self._http.aclose()
