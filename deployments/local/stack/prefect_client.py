"""A client of the stack's Prefect server."""

from collections.abc import Mapping

from prefect.client.orchestration import PrefectClient


def prefect_client(variables: Mapping[str, str]) -> PrefectClient:
    """Authenticates with the password or the key in the stack's variables."""
    return PrefectClient(
        variables["PREFECT_API_URL"],
        auth_string=variables.get("PREFECT_API_AUTH_STRING"),
        api_key=variables.get("PREFECT_API_KEY"),
    )
