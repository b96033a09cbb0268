"""API tokens: `python -m deployments.api.tokens create|list|revoke`.

The job database is that of `DATABASE_URL`, from the environment or `.env`. A token is shown once, when it is created.
"""

import argparse
import asyncio
import re
import sys
import uuid

from rich.console import Console
from rich.table import Table

from deployments.server.environment import Environment
from videojobs.db import JobRepository, get_engine
from videojobs.db.engine import close_engines
from videojobs.db.tokens import Scope
from videojobs.errors import DatabaseUnavailable
from videojobs.requests.models import ID_PATTERN, PATTERN_MESSAGES

MAX_LABEL_LENGTH = 100  # characters


def _parse_user_id(text: str) -> str:
    if not re.fullmatch(ID_PATTERN, text):
        raise argparse.ArgumentTypeError(PATTERN_MESSAGES[ID_PATTERN])
    return text


def _parse_scopes(text: str) -> list[Scope]:
    try:
        return [Scope(name.strip()) for name in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"the scopes are {', '.join(Scope)}, separated by commas") from error


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deployments.api.tokens", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="create a token and print it; it is not shown again")
    create.add_argument("user", type=_parse_user_id, help="the user whose jobs it is for: user_id in their rows")
    create.add_argument("--scopes", type=_parse_scopes, default=[Scope.SUBMIT, Scope.READ], help="default: submit,read")
    create.add_argument("--label", default="", help="what it is for; shown in the list")
    commands.add_parser("list", help="show all tokens, without their text")
    commands.add_parser("revoke", help="make a token invalid").add_argument("id", type=uuid.UUID)
    return parser.parse_args()


async def _create(repository: JobRepository, options: argparse.Namespace) -> int:
    token, text = await repository.create_token(options.user, options.scopes, options.label[:MAX_LABEL_LENGTH])
    print(text)  # alone on stdout, for scripts
    print(f"Token {token.id} of {token.user_id} ({', '.join(token.scopes)}). It is not shown again.", file=sys.stderr)
    return 0


async def _list(repository: JobRepository) -> int:
    table = Table("id", "user", "scopes", "label", "created", "revoked")
    for token in await repository.list_tokens():
        revoked = f"{token.revoked_at:%Y-%m-%d %H:%M}" if token.revoked_at else ""
        scopes, created = ", ".join(token.scopes), f"{token.created_at:%Y-%m-%d %H:%M}"
        table.add_row(str(token.id), token.user_id, scopes, token.label, created, revoked)
    Console().print(table)
    return 0


async def _revoke(repository: JobRepository, options: argparse.Namespace) -> int:
    if await repository.revoke_token(options.id):
        print(f"Token {options.id} is revoked.")
        return 0
    print(f"No valid token has the id {options.id}. See `list`.", file=sys.stderr)
    return 1


async def _run(url: str, options: argparse.Namespace) -> int:
    repository = JobRepository(get_engine(url))
    try:
        match options.command:
            case "create":
                return await _create(repository, options)
            case "revoke":
                return await _revoke(repository, options)
            case _:
                return await _list(repository)
    except DatabaseUnavailable as error:
        print(f"{error}. Check DATABASE_URL.", file=sys.stderr)
        return 1
    finally:
        await close_engines()


def main() -> int:
    options = _parse_arguments()
    url = Environment().database_url
    if url is None:
        sys.exit("DATABASE_URL is not set. Set it to the job database: postgresql://user:password@host:port/name")
    return asyncio.run(_run(url.get_secret_value(), options))


if __name__ == "__main__":
    sys.exit(main())
