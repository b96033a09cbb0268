"""The providers' limits as Prefect global concurrency limits, shared by all workers on all machines."""

from math import ceil

from prefect.client.orchestration import PrefectClient

from videojobs.providers.registry import providers


def concurrency_limits() -> dict[str, int]:
    """Submissions that may be at each provider at once, by the limit's name on the Prefect server."""
    return {(limit := provider.limits.concurrency).name: int(limit.value) for provider in providers().values()}


def rate_limits() -> dict[str, float]:
    """Requests per second, by the limit's name on the Prefect server."""
    return {limit.name: limit.value for provider in providers().values() for limit in provider.limits.rates}


async def register_limits(client: PrefectClient) -> list[str]:
    """Set the limits on the server; returns a line for each."""
    lines = []
    for name, slots in concurrency_limits().items():
        await client.upsert_global_concurrency_limit_by_name(name, slots)
        lines.append(f"concurrency limit {name}: {slots}")
    for name, rate in rate_limits().items():
        # As many as go out in a second may go out together.
        await client.upsert_global_concurrency_limit_by_name(name, ceil(rate), slot_decay_per_second=rate)
        lines.append(f"rate limit {name}: {rate:g}/s")
    return lines
