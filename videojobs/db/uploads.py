"""Uploads of clients, direct to storage or through the API, until a job owns them.

A row with the location is written before the first byte is stored, so that interrupted uploads of clients and of killed
API processes can be found and removed (`find_abandoned_uploads`).
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, DateTime, Index, Text, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from videojobs.db.models import Base, VideoJob
from videojobs.db.repository_base import NOW, RepositoryBase

UNUSED_RETENTION: Final = timedelta(days=7)
"""How long a finished upload waits for its job."""
_USABLE_FOR: Final = UNUSED_RETENTION - timedelta(
    hours=1
)  # else a job could be created on an upload that is being removed


class Upload(Base):
    """One upload."""

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(Text, primary_key=True)  # for the old endpoints: the id of its job
    user_id: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(Text)  # common prefix of all its object keys
    key: Mapped[str | None] = mapped_column(Text)  # of the one object of a direct upload
    multipart_id: Mapped[str | None] = mapped_column(Text)  # S3 upload id of a direct upload
    size: Mapped[int | None] = mapped_column(BigInteger)  # bytes, as announced
    part_size: Mapped[int | None] = mapped_column(BigInteger)  # bytes
    source: Mapped[str | None] = mapped_column(Text)  # `s3://`, once it is complete
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)

    __table_args__ = (
        Index("ix_uploads_created_at", "created_at"),
        Index("ix_uploads_user_id", "user_id", "created_at"),
        Index("uq_uploads_source", "source", unique=True),
    )

    @property
    def part_count(self) -> int:
        """Parts of a direct upload."""
        return -(-(self.size or 0) // (self.part_size or 1))


class UploadStore(RepositoryBase):
    """Creating, finishing and deleting uploads."""

    async def create_upload(self, upload: Upload) -> None:
        """Call it before anything is stored."""
        async with self._untracked_transaction() as session:
            session.add(upload)

    async def get_upload(self, upload_id: str, user_id: str) -> Upload | None:
        """None also for an upload of another user."""
        query = select(Upload).where(Upload.id == upload_id, Upload.user_id == user_id, Upload.key.is_not(None))
        async with self._read_session() as session:
            found: Upload | None = await session.scalar(query)
            return found

    async def set_multipart_id(self, upload_id: str, multipart_id: str) -> None:
        """The multipart upload was started."""
        async with self._untracked_transaction() as session:
            await session.execute(update(Upload).where(Upload.id == upload_id).values(multipart_id=multipart_id))

    async def finish_upload(self, upload_id: str, source: str) -> None:
        """The upload is complete."""
        async with self._untracked_transaction() as session:
            await session.execute(update(Upload).where(Upload.id == upload_id).values(source=source))

    async def delete_upload(self, upload_id: str) -> None:
        """Call it when nothing of it is left in storage, or a job owns it."""
        async with self._untracked_transaction() as session:
            await session.execute(delete(Upload).where(Upload.id == upload_id))

    async def count_unfinished_uploads(self, user_id: str) -> int:
        """How many direct uploads of a user are unfinished."""
        query = select(func.count()).where(Upload.user_id == user_id, Upload.key.is_not(None), Upload.source.is_(None))
        async with self._read_session() as session:
            return (await session.execute(query)).scalar_one()

    async def filter_owned_sources(self, user_id: str, sources: Sequence[str]) -> set[str]:
        """Which of these are finished uploads of this user."""
        query = select(Upload.source).where(
            Upload.user_id == user_id, Upload.source.in_(sources), Upload.created_at > NOW - _USABLE_FOR
        )
        async with self._read_session() as session:
            return {source for source in await session.scalars(query) if source}

    async def find_abandoned_uploads(self, unfinished_for: timedelta, limit: int) -> Sequence[Upload]:
        """Unfinished for `unfinished_for`, or finished and used by no job within `UNUSED_RETENTION`."""
        used = exists().where(
            VideoJob.user_id == Upload.user_id,
            or_(
                VideoJob.id == Upload.id,
                VideoJob.request["video"].astext == Upload.source,
                VideoJob.request["audio"].contains(
                    func.jsonb_build_array(func.jsonb_build_object("source", Upload.source))
                ),
            ),
        )
        expired = or_(
            and_(Upload.source.is_(None), Upload.created_at < NOW - unfinished_for),
            Upload.created_at < NOW - UNUSED_RETENTION,
        )
        query = select(Upload).where(expired, ~used).order_by(Upload.created_at).limit(limit)
        async with self._read_session() as session:
            return (await session.scalars(query)).all()


def new_upload_id() -> str:
    """Random, so that it cannot be guessed."""
    return str(uuid.uuid4())
