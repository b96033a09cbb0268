"""Lectures: jobs of another kind, with recovery points of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BEFORE = (
    "recovery_point IN ('opened', 'uploaded', 'lip_sync_submitted', 'lip_sync_stored', 'text_removal_submitted', "
    "'text_removal_stored', 'completed')"
)
_AFTER = (
    "recovery_point IN ('opened', 'uploaded', 'lip_sync_submitted', 'lip_sync_stored', 'text_removal_submitted', "
    "'text_removal_stored', 'fetched', 'transcribed', 'slides_found', 'understood', 'documents_stored', 'completed')"
)


def upgrade() -> None:
    op.add_column("video_jobs", sa.Column("kind", sa.Text(), server_default="pro_video", nullable=False))
    op.create_check_constraint(op.f("ck_video_jobs_kind"), "video_jobs", "kind IN ('pro_video', 'lecture')")
    op.drop_constraint(op.f("ck_video_jobs_recovery_point"), "video_jobs")
    op.create_check_constraint(op.f("ck_video_jobs_recovery_point"), "video_jobs", _AFTER)


def downgrade() -> None:
    """Deletes all lectures: the earlier schema cannot hold them."""
    op.execute("DELETE FROM video_jobs WHERE kind = 'lecture'")
    op.drop_constraint(op.f("ck_video_jobs_recovery_point"), "video_jobs")
    op.create_check_constraint(op.f("ck_video_jobs_recovery_point"), "video_jobs", _BEFORE)
    op.drop_constraint(op.f("ck_video_jobs_kind"), "video_jobs")
    op.drop_column("video_jobs", "kind")
