"""Job statistics as Prometheus metrics: the same from every API process."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from videojobs.db import JobRepository
from videojobs.db.stats import SubmissionStats, UnfinishedJobs
from videojobs.db.webhook_deliveries import PendingDeliveries
from videojobs.pipeline.costs import Amount
from videojobs.providers.registry import display_name
from videojobs.states import ENDED_STATUSES, Status


@dataclass(frozen=True, slots=True)
class JobStatsSnapshot:
    """Job statistics at one moment."""

    unfinished: Sequence[UnfinishedJobs]
    ended: dict[Status, int]
    submitted: Sequence[SubmissionStats]
    spent: dict[str, Amount]
    webhooks: PendingDeliveries

    @classmethod
    async def load(cls, repository: JobRepository) -> "JobStatsSnapshot":
        """The current statistics. Raises DatabaseUnavailable."""
        return cls(
            await repository.unfinished_jobs(),
            await repository.ended_last_day(),
            await repository.submissions_last_day(),
            await repository.spend_today(),
            await repository.pending_deliveries(),
        )


class JobStatsCollector(Collector):
    """Gives Prometheus the latest snapshot."""

    def __init__(self) -> None:
        self.snapshot: JobStatsSnapshot | None = None

    def collect(self) -> Iterator[Metric]:
        yield _gauge("videojobs_database_up", "The job database answers", {(): float(self.snapshot is not None)})
        if self.snapshot is not None:
            yield from _job_metrics(self.snapshot)
            yield from _vendor_metrics(self.snapshot)
            yield from _webhook_metrics(self.snapshot.webhooks)


def _gauge(name: str, text: str, values: Mapping[Any, float], labels: Sequence[str] = ()) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _job_metrics(snapshot: JobStatsSnapshot) -> Iterator[Metric]:
    yield _gauge(
        "videojobs_jobs",
        "Unfinished jobs",
        {(job.status, job.point, str(job.parked).lower()): job.count for job in snapshot.unfinished},
        ("status", "point", "parked"),
    )
    parked = sum(job.count for job in snapshot.unfinished if job.parked)
    yield _gauge("videojobs_parked_jobs", "Jobs that need an operator", {(): parked})
    oldest = max((job.oldest_seconds for job in snapshot.unfinished if not job.parked), default=0.0)
    yield _gauge("videojobs_oldest_job_seconds", "Age of the oldest job that is neither ended nor parked", {(): oldest})
    ended = {(status,): snapshot.ended.get(status, 0) for status in ENDED_STATUSES}
    yield _gauge("videojobs_jobs_ended_last_day", "Jobs that ended within the last 24 hours", ended, ("status",))


def _webhook_metrics(pending: PendingDeliveries) -> Iterator[Metric]:
    yield _gauge("videojobs_webhooks_pending", "Webhooks that are not delivered yet", {(): pending.count})
    yield _gauge(
        "videojobs_webhook_oldest_pending_seconds",
        "Age of the oldest of them: an endpoint that fails has old ones",
        {(): pending.oldest_seconds},
    )
    yield _gauge(
        "videojobs_webhook_overdue_seconds",
        "How late the next try of one of them is: more than some seconds mean that no API process sends",
        {(): pending.overdue_seconds},
    )


def _vendor_metrics(snapshot: JobStatsSnapshot) -> Iterator[Metric]:
    spent = {display_name(provider): amount for provider, amount in snapshot.spent.items()}
    yield _gauge(
        "videojobs_spent_today",
        "Costs since midnight UTC: as the vendors reported them, else as estimated",
        {(vendor, "usd"): float(amount.usd) for vendor, amount in spent.items()}
        | {(vendor, "points"): float(amount.points) for vendor, amount in spent.items()},
        ("vendor", "unit"),
    )
    yield _gauge(
        "videojobs_submissions_last_day",
        "Paid calls of the last 24 hours by state (refused, failed and unknown are errors)",
        {(display_name(row.provider), row.state): row.count for row in snapshot.submitted},
        ("vendor", "state"),
    )
    yield _gauge(
        "videojobs_vendor_seconds",
        "From submission to end, over the last 24 hours",
        {
            (display_name(row.provider), row.state, quantile): seconds
            for row in snapshot.submitted
            for quantile, seconds in (("0.5", row.median_seconds), ("0.95", row.p95_seconds))
            if seconds is not None
        },
        ("vendor", "state", "quantile"),
    )
