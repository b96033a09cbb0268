"""A client of the Prefect server that a stack's variables name."""

from collections.abc import Mapping

from prefect.client.orchestration import PrefectClient


def prefect_client(variables: Mapping[str, str]) -> PrefectClient:
    """It is let in by the password or the key that stands among the variables."""
    return PrefectClient(
        variables["PREFECT_API_URL"],
        auth_string=variables.get("PREFECT_API_AUTH_STRING"),
        api_key=variables.get("PREFECT_API_KEY"),
    )
