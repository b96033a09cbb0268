"""Deliveries in the database: who may send what, when it is tried again, when an endpoint is disabled."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from sqlalchemy import text

from videojobs.db import JobRepository, get_engine
from videojobs.db.webhook_deliveries import (
    ClaimedDelivery,
    ClaimLimits,
    RetryPolicy,
    UnknownDelivery,
)
from videojobs.db.webhook_endpoints import EndpointChanges, EndpointDisabled, TooManyEndpoints, UnknownEndpoint
from videojobs.db.webhook_models import WebhookDelivery, WebhookEndpoint
from videojobs.webhooks.events import DEFAULT_EVENTS
from videojobs.webhooks.sender import AttemptResult
from videojobs.webhooks.settings import WebhookSettings

SETTINGS: Final = WebhookSettings()
DELAYS: Final = tuple(timedelta(seconds=seconds) for seconds in SETTINGS.retry_delays_seconds)
POLICY: Final = RetryPolicy(DELAYS, timedelta(days=5))
SUCCESS: Final = AttemptResult(204, None, "", 12)
FAILURE: Final = AttemptResult(500, "it answered 500", "oops", 34)
GONE: Final = AttemptResult(410, "it answered 410", "", 5)


@pytest.fixture(autouse=True)
async def _nothing_else_is_due(database_url: str) -> None:
    """Claims concern all users."""
    async with get_engine(database_url).begin() as connection:
        await connection.execute(text("DELETE FROM webhook_endpoints"))


@pytest.fixture
def user() -> str:
    return f"user-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def endpoint(repository: JobRepository, user: str) -> WebhookEndpoint:
    return await create_endpoint(repository, user)


async def create_endpoint(repository: JobRepository, user: str, limit: int = 20) -> WebhookEndpoint:
    return await repository.create_webhook_endpoint(
        user, "https://receiver.example.com/hook", DEFAULT_EVENTS, "", limit=limit
    )


async def enqueue(repository: JobRepository, endpoint: WebhookEndpoint, count: int = 1) -> list[str]:
    return [await repository.send_test_webhook(None, endpoint.id, {"number": number}) for number in range(count)]


async def claim(
    repository: JobRepository,
    total: int = 100,
    per_lane: int = 100,
    failing: int = 100,
    busy: dict[str, int] | None = None,
    claim_seconds: float = 60,
) -> list[ClaimedDelivery]:
    limits = ClaimLimits(total, per_lane, failing, busy or {})
    return list(await repository.claim_deliveries(limits, claim_seconds))


async def load(repository: JobRepository, delivery_id: str) -> WebhookDelivery:
    return (await repository.get_webhook_delivery(None, delivery_id))[0]


async def sql(database_url: str, statement: str, **values: object) -> None:
    async with get_engine(database_url).begin() as connection:
        await connection.execute(text(statement), values)


async def make_due(database_url: str) -> None:
    await sql(database_url, "UPDATE webhook_deliveries SET next_attempt_at = now() WHERE state = 'pending'")


# ---- claims ------------------------------------------------------------------------------------------------


async def test_a_delivery_is_claimed_by_one_process(repository: JobRepository, endpoint: WebhookEndpoint) -> None:
    ids = await enqueue(repository, endpoint, 40)
    claims = await asyncio.gather(*(claim(repository, total=9) for _ in range(8)))
    rest = await claim(repository)
    found = [item.id for each in [*claims, rest] for item in each]
    assert sorted(found) == sorted(ids)


async def test_a_claim_tells_what_to_send(repository: JobRepository, endpoint: WebhookEndpoint) -> None:
    [delivery_id] = await enqueue(repository, endpoint)
    [claimed] = await claim(repository)
    assert (claimed.id, claimed.url, claimed.event) == (delivery_id, endpoint.url, "webhook.test")
    assert claimed.data == {"number": 0}
    assert claimed.secrets == (endpoint.secret,)
    assert claimed.created_at.tzinfo is not None


async def test_a_claim_that_was_not_recorded_expires(repository: JobRepository, endpoint: WebhookEndpoint) -> None:
    """Its process was killed while it sent."""
    ids = await enqueue(repository, endpoint)
    assert [item.id for item in await claim(repository, claim_seconds=0.2)] == ids
    assert await claim(repository) == []
    await asyncio.sleep(0.25)  # the claim's own time
    assert [item.id for item in await claim(repository)] == ids


async def test_an_endpoint_never_exceeds_its_share(repository: JobRepository, endpoint: WebhookEndpoint) -> None:
    await enqueue(repository, endpoint, 5)
    lane = str(endpoint.id)
    assert len(await claim(repository, per_lane=3, busy={lane: 1})) == 2
    assert await claim(repository, per_lane=3, busy={lane: 3}) == []


async def test_a_backlog_of_one_endpoint_does_not_delay_another(repository: JobRepository, user: str) -> None:
    busy, other = await create_endpoint(repository, user), await create_endpoint(repository, user)
    await enqueue(repository, busy, 30)
    [late] = await enqueue(repository, other)
    assert late in [item.id for item in await claim(repository, total=4, per_lane=4)]


async def test_a_failing_endpoint_gets_one_try_at_a_time(
    repository: JobRepository, endpoint: WebhookEndpoint, database_url: str
) -> None:
    await enqueue(repository, endpoint, 5)
    [first, *_] = await claim(repository, total=1)
    await repository.record_attempt(first, FAILURE, POLICY)
    await make_due(database_url)
    [second] = await claim(repository)
    assert second.is_failing


async def test_failing_endpoints_share_a_part_of_all_tries(
    repository: JobRepository, user: str, database_url: str
) -> None:
    for _ in range(6):
        await enqueue(repository, await create_endpoint(repository, user))
    for item in await claim(repository):
        await repository.record_attempt(item, FAILURE, POLICY)
    healthy = await enqueue(repository, await create_endpoint(repository, user))
    await make_due(database_url)
    claimed = await claim(repository, total=10, failing=2)
    assert [item.id for item in claimed if not item.is_failing] == healthy
    assert len(claimed) == 3


async def test_callbacks_of_one_user_have_a_share_for_each_host(
    repository: JobRepository, user: str, database_url: str
) -> None:
    for number in range(6):
        host = "dead" if number else "alive"
        await repository.create_rejected(
            f"job-{uuid.uuid4()}",
            user_id=user,
            display_name=None,
            error="no segments",
            actor="test",
            callback_url=f"https://{host}.example.com/{number}",
        )
    hosts = [item.url.partition("://")[2].partition(".")[0] for item in await claim(repository, per_lane=2)]
    assert sorted(hosts) == ["alive", "dead", "dead"]


# ---- tries -------------------------------------------------------------------------------------------------


async def test_a_success_ends_a_delivery(repository: JobRepository, endpoint: WebhookEndpoint) -> None:
    [delivery_id] = await enqueue(repository, endpoint)
    [claimed] = await claim(repository)
    assert await repository.record_attempt(claimed, SUCCESS, POLICY) == "delivered"
    delivery, tries = await repository.get_webhook_delivery(None, delivery_id)
    assert delivery.state == "delivered"
    assert [(item.status, item.error, item.duration_ms) for item in tries] == [(204, None, 12)]


async def test_failed_tries_follow_the_schedule(
    repository: JobRepository, endpoint: WebhookEndpoint, database_url: str
) -> None:
    [delivery_id] = await enqueue(repository, endpoint)
    pauses = []
    for _ in range(10):
        [claimed] = await claim(repository)
        await repository.record_attempt(claimed, FAILURE, POLICY)
        delivery, tries = await repository.get_webhook_delivery(None, delivery_id)
        pauses.append((delivery.next_attempt_at - tries[-1].at).total_seconds())
        await make_due(database_url)
    assert [round(pause) for pause in pauses[:9]] == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert (await load(repository, delivery_id)).state == "failed"
    assert await claim(repository) == []


async def test_a_late_record_does_not_undo_a_success(repository: JobRepository, endpoint: WebhookEndpoint) -> None:
    """Two processes have sent it, because the first one stalled for longer than its claim."""
    [delivery_id] = await enqueue(repository, endpoint)
    [claimed] = await claim(repository)
    await repository.record_attempt(claimed, SUCCESS, POLICY)
    await repository.record_attempt(claimed, FAILURE, POLICY)
    delivery, tries = await repository.get_webhook_delivery(None, delivery_id)
    assert (delivery.state, len(tries)) == ("delivered", 2)


async def test_a_record_of_a_deleted_delivery_does_nothing(
    repository: JobRepository, endpoint: WebhookEndpoint, user: str
) -> None:
    await enqueue(repository, endpoint)
    [claimed] = await claim(repository)
    await repository.delete_webhook_endpoint(user, endpoint.id)
    for result in (SUCCESS, FAILURE):
        assert await repository.record_attempt(claimed, result, POLICY) is None


async def test_concurrent_failures_and_a_disabling_end(repository: JobRepository, endpoint: WebhookEndpoint) -> None:
    """No two transactions wait for each other."""
    await enqueue(repository, endpoint, 12)
    claimed = await claim(repository)
    results = [GONE if number == 5 else FAILURE for number in range(12)]
    async with asyncio.timeout(20):
        await asyncio.gather(*(repository.record_attempt(*pair, POLICY) for pair in zip(claimed, results, strict=True)))
    states = [item.state for item in await repository.list_webhook_deliveries(None, endpoint_id=endpoint.id, limit=50)]
    assert states == ["failed"] * 12


# ---- disabled endpoints ------------------------------------------------------------------------------------


async def fail_again(repository: JobRepository, database_url: str) -> None:
    await make_due(database_url)
    [claimed] = await claim(repository)
    await repository.record_attempt(claimed, FAILURE, POLICY)


async def test_an_endpoint_is_disabled_after_days_of_failure(
    repository: JobRepository, endpoint: WebhookEndpoint, user: str, database_url: str
) -> None:
    [delivery_id] = await enqueue(repository, endpoint)
    for _ in range(3):
        await fail_again(repository, database_url)
    await sql(database_url, "UPDATE webhook_endpoints SET failing_since = now() - interval '4.9 days'")
    await fail_again(repository, database_url)
    assert (await repository.get_webhook_endpoint(user, endpoint.id)).disabled_at is None
    await sql(database_url, "UPDATE webhook_endpoints SET failing_since = now() - interval '5.1 days'")
    await fail_again(repository, database_url)
    disabled = await repository.get_webhook_endpoint(user, endpoint.id)
    assert disabled.disabled_at is not None
    assert disabled.disabled_reason == "It failed for 5 days. The last try: it answered 500"
    assert (await load(repository, delivery_id)).state == "failed"


async def test_one_failure_after_a_long_silence_disables_nothing(
    repository: JobRepository, endpoint: WebhookEndpoint, user: str, database_url: str
) -> None:
    await enqueue(repository, endpoint)
    await sql(database_url, "UPDATE webhook_endpoints SET failing_since = now() - interval '30 days'")
    await fail_again(repository, database_url)
    assert (await repository.get_webhook_endpoint(user, endpoint.id)).disabled_at is None


async def test_a_success_ends_the_days_of_failure(
    repository: JobRepository, endpoint: WebhookEndpoint, user: str, database_url: str
) -> None:
    await enqueue(repository, endpoint)
    await fail_again(repository, database_url)
    assert (await repository.get_webhook_endpoint(user, endpoint.id)).failing_since is not None
    await make_due(database_url)
    [claimed] = await claim(repository)
    await repository.record_attempt(claimed, SUCCESS, POLICY)
    assert (await repository.get_webhook_endpoint(user, endpoint.id)).failing_since is None


async def test_410_disables_at_once_and_says_why(
    repository: JobRepository, endpoint: WebhookEndpoint, user: str
) -> None:
    await enqueue(repository, endpoint, 3)
    [claimed, *_] = await claim(repository, total=1)
    assert await repository.record_attempt(claimed, GONE, POLICY) == "failed"
    disabled = await repository.get_webhook_endpoint(user, endpoint.id)
    assert disabled.disabled_reason == "It answered 410 (Gone): it wants no more messages."
    assert await claim(repository) == []
    with pytest.raises(EndpointDisabled):
        await enqueue(repository, endpoint)


async def test_callbacks_are_never_disabled(repository: JobRepository, user: str, database_url: str) -> None:
    secret = await repository.rotate_callback_secret(user, timedelta())
    for job_id in (f"job-{uuid.uuid4()}", f"job-{uuid.uuid4()}"):
        await repository.create_rejected(
            job_id,
            user_id=user,
            display_name=None,
            error="no segments",
            actor="test",
            callback_url="https://a.example.com",
        )
    [first, second] = await claim(repository)
    assert await repository.record_attempt(first, GONE, POLICY) == "failed"
    assert await repository.record_attempt(second, FAILURE, POLICY) == "pending"
    await make_due(database_url)
    [again] = await claim(repository)
    assert (again.id, again.secrets) == (second.id, (secret.secret,))


# ---- replays -----------------------------------------------------------------------------------------------


async def test_a_replay_keeps_the_id_and_has_all_tries_again(
    repository: JobRepository, endpoint: WebhookEndpoint, user: str
) -> None:
    [delivery_id] = await enqueue(repository, endpoint)
    [claimed] = await claim(repository)
    await repository.record_attempt(claimed, SUCCESS, POLICY)
    replayed = await repository.replay_webhook_delivery(user, delivery_id)
    assert (replayed.state, replayed.attempts) == ("pending", 0)
    assert [item.id for item in await claim(repository)] == [delivery_id]


async def test_failed_deliveries_are_replayed_since_a_time(
    repository: JobRepository, endpoint: WebhookEndpoint, user: str, database_url: str
) -> None:
    old, *_, delivered = await enqueue(repository, endpoint, 4)
    await sql(database_url, "UPDATE webhook_deliveries SET state = 'failed' WHERE id <> :id", id=delivered)
    await sql(
        database_url, "UPDATE webhook_deliveries SET created_at = now() - interval '2 days' WHERE id = :id", id=old
    )
    await sql(database_url, "UPDATE webhook_deliveries SET state = 'delivered' WHERE id = :id", id=delivered)
    since = datetime.now(UTC) - timedelta(days=1)
    assert await repository.replay_failed_deliveries(endpoint, since) == 2
    assert len(await claim(repository)) == 2


async def test_what_a_disabled_endpoint_missed_can_be_replayed(
    repository: JobRepository, endpoint: WebhookEndpoint, user: str
) -> None:
    [delivery_id] = await enqueue(repository, endpoint)
    disabled = await repository.update_webhook_endpoint(user, endpoint.id, EndpointChanges(enabled=False))
    with pytest.raises(EndpointDisabled):
        await repository.replay_webhook_delivery(user, delivery_id)
    with pytest.raises(EndpointDisabled):
        await repository.replay_failed_deliveries(disabled, disabled.created_at)
    enabled = await repository.update_webhook_endpoint(user, endpoint.id, EndpointChanges(enabled=True))
    assert (enabled.disabled_at, enabled.disabled_reason) == (None, None)
    assert await repository.replay_failed_deliveries(enabled, enabled.created_at) == 1


# ---- secrets, owners, retention ----------------------------------------------------------------------------


async def test_both_secrets_sign_during_the_overlap(
    repository: JobRepository, endpoint: WebhookEndpoint, user: str
) -> None:
    rotated = await repository.rotate_webhook_secret(user, endpoint.id, timedelta(hours=1))
    assert rotated.secret != endpoint.secret
    await enqueue(repository, endpoint)
    [claimed] = await claim(repository, claim_seconds=0)
    assert claimed.secrets == (rotated.secret, endpoint.secret)


async def test_the_old_secret_ends_after_the_overlap(
    repository: JobRepository, endpoint: WebhookEndpoint, user: str
) -> None:
    rotated = await repository.rotate_webhook_secret(user, endpoint.id, timedelta())
    await enqueue(repository, endpoint)
    [claimed] = await claim(repository)
    assert claimed.secrets == (rotated.secret,)


async def test_other_users_endpoints_and_deliveries_are_unknown(
    repository: JobRepository, endpoint: WebhookEndpoint
) -> None:
    [delivery_id] = await enqueue(repository, endpoint)
    with pytest.raises(UnknownEndpoint):
        await repository.get_webhook_endpoint("someone-else", endpoint.id)
    with pytest.raises(UnknownEndpoint):
        await repository.rotate_webhook_secret("someone-else", endpoint.id, timedelta())
    with pytest.raises(UnknownDelivery):
        await repository.get_webhook_delivery("someone-else", delivery_id)
    with pytest.raises(UnknownDelivery):
        await repository.replay_webhook_delivery("someone-else", delivery_id)


async def test_a_user_has_a_limited_number_of_endpoints(repository: JobRepository, user: str) -> None:
    results = await asyncio.gather(
        *(create_endpoint(repository, user, limit=3) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(each, TooManyEndpoints) for each in results) == 5
    assert len(await repository.list_webhook_endpoints(user)) == 3


async def test_old_deliveries_are_deleted_unless_pending(
    repository: JobRepository, endpoint: WebhookEndpoint, database_url: str
) -> None:
    _, pending, recent = await enqueue(repository, endpoint, 3)
    await sql(database_url, "UPDATE webhook_deliveries SET state = 'delivered' WHERE id <> :id", id=pending)
    await sql(
        database_url, "UPDATE webhook_deliveries SET created_at = now() - interval '9 days' WHERE id <> :id", id=recent
    )
    assert await repository.delete_old_deliveries(timedelta(days=8)) == 1
    left = await repository.list_webhook_deliveries(None, endpoint_id=endpoint.id, limit=10)
    assert {item.id for item in left} == {pending, recent}


async def test_statistics_tell_what_waits_and_how_late_it_is(
    repository: JobRepository, endpoint: WebhookEndpoint, database_url: str
) -> None:
    assert (await repository.pending_deliveries()).count == 0
    await enqueue(repository, endpoint, 2)
    await sql(
        database_url,
        "UPDATE webhook_deliveries SET created_at = now() - interval '1 hour', "
        "next_attempt_at = now() - interval '1 minute'",
    )
    found = await repository.pending_deliveries()
    assert found.count == 2
    assert 3600 <= found.oldest_seconds < 3660
    assert 60 <= found.overdue_seconds < 120
