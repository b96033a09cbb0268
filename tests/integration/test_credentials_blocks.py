"""The provider contract as far as it needs Prefect: credentials blocks, and a submission that keeps its provider."""

from typing import Any

import pytest
from pydantic import ValidationError

from blocks import Connections, callback_secret_variable, credentials_block
from videojobs.db import Submission
from videojobs.providers.base import Provider
from videojobs.providers.registry import provider_of, providers
from videojobs.states import Stage


@pytest.mark.parametrize("provider", providers().values(), ids=list(providers()))
def test_a_providers_block_has_an_address_and_a_secret(provider: Provider[Any]) -> None:
    block = credentials_block(provider)
    assert {"base_url", block.callback_secret_field} <= block.model_fields.keys()
    assert callback_secret_variable(provider).startswith(f"{provider.key.upper()}_")


def test_connections_name_a_block_for_each_provider() -> None:
    assert list(Connections().model_dump()) == ["database", "storage", *providers()]
    assert Connections(ghostcut="another").block_name("ghostcut") == "another"
    assert list(Connections.model_json_schema()["properties"]) == ["database", "storage", *providers()]


@pytest.mark.parametrize("name", ["databse", "sync-so", "gone_vendor"])
def test_connections_refuse_a_name_that_does_not_exist(name: str) -> None:
    """Else the default would be used: another account."""
    with pytest.raises(ValidationError, match=rf"'{name}' does not exist; there are database, storage, sync_so"):
        Connections.model_validate({name: "another"})


def test_a_jobs_connections_may_name_a_gone_provider() -> None:
    connections = Connections.for_job({"gone_vendor": "gone", "ghostcut": "another"})
    assert connections.unknown_names == ("gone_vendor",)
    assert connections.block_name("ghostcut") == "another"
    assert "gone_vendor" not in connections.model_dump()


def test_a_run_is_given_only_names_that_its_deployment_knows() -> None:
    """Not those of providers that were uninstalled, or that `make deploy` may not know yet."""
    stored = {"database": "job-database", "storage": "b", "sync_so": "sync-so", "ghostcut": "a", "gone": "gone"}
    sent = Connections.for_job(stored).to_run_parameter()
    assert sent == {"database": "job-database", "storage": "b", "ghostcut": "a"}
    assert Connections.model_validate(sent) == Connections(storage="b", ghostcut="a")


def test_a_submission_stays_with_its_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    submission = Submission(stage=Stage.LIP_SYNC.value, provider="sync_so")
    monkeypatch.setenv("VIDEOJOBS_LIP_SYNC_PROVIDER", "another")
    assert provider_of(submission, Stage.LIP_SYNC).key == "sync_so"
