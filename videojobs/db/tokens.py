"""API tokens. Only their hashes are stored.

A token is 256 random bits, so a plain SHA-256 is safe, and an index can find it. Slow password hashes protect against
guessing words, which does not apply here.
"""

import hashlib
import secrets
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import CheckConstraint, DateTime, Index, LargeBinary, Select, Text, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column

from videojobs.db.models import Base
from videojobs.db.repository_base import NOW, RepositoryBase

VISIBLE_PREFIX: Final = "vj_"  # identifies leaked tokens, for people and secret scanners


class Scope(StrEnum):
    """What a token allows."""

    SUBMIT = "submit"  # start jobs of one's own, cancel and retry them
    READ = "read"  # see one's own jobs, fetch their files
    ADMIN = "admin"  # both, for the jobs of all users


class ApiToken(Base):
    """One token. Revoked tokens are kept for audits."""

    __tablename__ = "api_tokens"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[str] = mapped_column(Text)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    label: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint("scopes <@ ARRAY['submit', 'read', 'admin'] AND scopes <> '{}'", name="scopes"),
        Index("uq_api_tokens_token_hash", "token_hash", unique=True),
    )

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes


class TokenStore(RepositoryBase):
    """Creating, finding and revoking tokens."""

    async def create_token(self, user_id: str, scopes: Iterable[Scope], label: str) -> tuple[ApiToken, str]:
        """A new token and its text, which cannot be shown again."""
        text = VISIBLE_PREFIX + secrets.token_urlsafe(32)
        return await self.import_token(text, user_id, scopes, label), text

    async def import_token(self, text: str, user_id: str, scopes: Iterable[Scope], label: str) -> ApiToken:
        """Create a token from a given random text. An existing one stays as it is."""
        row = {
            "user_id": user_id,
            "token_hash": _hash_token(text),
            "scopes": sorted({Scope(scope).value for scope in scopes}),
            "label": label,
        }
        async with self._untracked_transaction() as session:
            await session.execute(insert(ApiToken).values(row).on_conflict_do_nothing())
            kept: ApiToken = (await session.scalars(_select_by_text(text))).one()
            return kept

    async def find_token(self, text: str) -> ApiToken | None:
        """The valid token with this text."""
        async with self._read_session() as session:
            found: ApiToken | None = await session.scalar(_select_by_text(text).where(ApiToken.revoked_at.is_(None)))
            return found

    async def revoke_token(self, token_id: uuid.UUID) -> bool:
        """False if no valid token has this id."""
        change = update(ApiToken).where(ApiToken.id == token_id, ApiToken.revoked_at.is_(None)).values(revoked_at=NOW)
        async with self._untracked_transaction() as session:
            return await session.scalar(change.returning(ApiToken.id)) is not None

    async def list_tokens(self) -> Sequence[ApiToken]:
        """All tokens, revoked ones included, oldest first."""
        async with self._read_session() as session:
            return (await session.scalars(select(ApiToken).order_by(ApiToken.created_at))).all()


def _select_by_text(text: str) -> Select[tuple[ApiToken]]:
    return select(ApiToken).where(ApiToken.token_hash == _hash_token(text))


def _hash_token(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
