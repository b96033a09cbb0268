"""The clean-up queries vendors: what fails for one account is not known there, and known everywhere else."""

from collections.abc import Sequence

import pytest

from blocks import Connections
from tasks.cleanup import vendor_status
from tasks.runtime.vendor_account import VendorAccount
from videojobs.db import Submission, VideoJob
from videojobs.errors import ConfigurationError
from videojobs.providers.base import VendorState, VendorStatus


@pytest.fixture(autouse=True)
def _broken_ghostcut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sync.so says that all is done; GhostCut's block is missing."""

    async def query_account(account: VendorAccount, ids: Sequence[str]) -> dict[str, VendorStatus]:
        if account.provider.key == "ghostcut":
            raise ConfigurationError("no block ghostcut")
        return dict.fromkeys(ids, VendorStatus(VendorState.DONE))

    monkeypatch.setattr(vendor_status, "_query_account", query_account)


def make_query(provider: str, connections: dict[str, object]) -> vendor_status.StatusQuery:
    return VideoJob(id=f"job-{provider}", connections=connections), Submission(
        job_id=f"job-{provider}", provider=provider, vendor_id=f"id-{provider}"
    )


async def test_a_broken_account_does_not_hide_the_others() -> None:
    queries = [make_query("gone", {}), make_query("ghostcut", {}), make_query("sync_so", {"database": "job-database"})]
    found = await vendor_status.query_vendors(queries, Connections())
    assert {job: status.state for job, status in found.items()} == {
        "job-gone": VendorState.NO_ANSWER,
        "job-ghostcut": VendorState.NO_ANSWER,
        "job-sync_so": VendorState.DONE,
    }
    assert "'gone' is installed" in found["job-gone"].message


async def test_a_job_older_than_its_provider_uses_the_default_block() -> None:
    """Its stored names have none for a provider that was installed since."""
    found = await vendor_status.query_vendors([make_query("sync_so", {"storage": "a"})], Connections())
    assert found["job-sync_so"].state is VendorState.DONE


async def test_an_unreadable_row_does_not_stop_the_others() -> None:
    queries = [make_query("ghostcut", {"database": 1}), make_query("sync_so", {})]
    found = await vendor_status.query_vendors(queries, Connections())
    assert found["job-sync_so"].state is VendorState.DONE
