"""Tokens: only their hash is stored, a revoked one gives no access, and the command reports what it did."""

import asyncio
import os
import sys
import uuid

from sqlalchemy import text

from videojobs.db import JobRepository, get_engine
from videojobs.db.tokens import Scope


async def test_a_token_is_found_by_its_text_but_stored_only_as_a_hash(
    repository: JobRepository, database_url: str
) -> None:
    token, secret = await repository.create_token("ada", [Scope.READ], "a test")
    found = await repository.find_token(secret)
    assert found is not None
    assert (found.id, found.user_id, found.scopes) == (token.id, "ada", ["read"])
    async with get_engine(database_url).connect() as connection:
        rows = (await connection.execute(text("SELECT t::text FROM api_tokens AS t"))).scalars().all()
    assert not any(secret in row or secret.removeprefix("vj_") in row for row in rows)


async def test_revoked_and_unknown_tokens_grant_nothing(repository: JobRepository) -> None:
    token, secret = await repository.create_token("ada", [Scope.READ], "")
    assert await repository.revoke_token(token.id)
    assert await repository.find_token(secret) is None
    assert not await repository.revoke_token(token.id), "twice"
    assert await repository.find_token("vj_guessed") is None


async def test_a_token_allows_its_scopes_and_an_admins_all_of_them(repository: JobRepository) -> None:
    reader, _ = await repository.create_token("ada", [Scope.READ], "")
    admin, _ = await repository.create_token("ada", [Scope.ADMIN], "")
    assert [reader.allows(scope) for scope in Scope] == [False, True, False]
    assert all(admin.allows(scope) for scope in Scope)


async def test_importing_a_token_twice_keeps_it_revoked(repository: JobRepository) -> None:
    secret = f"vj_{uuid.uuid4()}"
    first = await repository.import_token(secret, "local", [Scope.ADMIN], "")
    assert (await repository.import_token(secret, "local", [Scope.ADMIN], "")).id == first.id
    await repository.revoke_token(first.id)
    await repository.import_token(secret, "local", [Scope.ADMIN], "")
    assert await repository.find_token(secret) is None


async def run_command(database_url: str, *arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deployments.api.tokens", *arguments),
        env={**os.environ, "DATABASE_URL": database_url, "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_command_makes_shows_and_revokes_a_token(repository: JobRepository, database_url: str) -> None:
    code, secret, told = await run_command(
        database_url, "create", "grace", "--scopes", "read,submit", "--label", "phone"
    )
    assert code == 0, told
    token = await repository.find_token(secret.strip())
    assert token is not None
    assert (token.user_id, sorted(token.scopes), token.label) == ("grace", ["read", "submit"], "phone")
    _, listed, _ = await run_command(database_url, "list")
    assert str(token.id) in listed
    assert secret.strip() not in listed
    assert (await run_command(database_url, "revoke", str(token.id)))[0] == 0
    assert await repository.find_token(secret.strip()) is None
    assert (await run_command(database_url, "revoke", str(token.id)))[0] == 1


async def test_the_command_refuses_an_invalid_token(database_url: str) -> None:
    for arguments in (("create", "../ada"), ("create", "ada", "--scopes", "root"), ("revoke", "1")):
        code, out, told = await run_command(database_url, *arguments)
        assert (code, out) == (2, ""), told
