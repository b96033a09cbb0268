"""The key that signs the links to a job's result. No step of a job reads it, so its changes are untracked."""

from sqlalchemy import func, update

from videojobs.db.models import JobEventKind, VideoJob
from videojobs.db.repository_base import RepositoryBase, add_event, load_job


class ResultLinkKeys(RepositoryBase):
    """Replacing keys."""

    async def replace_link_key(self, job_id: str, *, actor: str) -> None:
        """Give the job a new key, which makes all earlier links invalid. Raises UnknownJob."""
        # `updated_at` stays: it says when the job last made progress.
        change = update(VideoJob).values(link_key=func.gen_random_uuid(), updated_at=VideoJob.updated_at)
        async with self._untracked_transaction() as session:
            job = await load_job(session, job_id)
            await session.execute(change.where(VideoJob.id == job_id))
            add_event(session, job, actor, JobEventKind.LINKS_REVOKED)
