"""What recovery, cancelling, callbacks and the cost guard need."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("ck_video_jobs_status"), "video_jobs")
    op.create_check_constraint(
        op.f("ck_video_jobs_status"),
        "video_jobs",
        "status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')",
    )
    op.add_column(
        "video_jobs",
        sa.Column(
            "connections", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
    )
    op.alter_column("video_jobs", "connections", server_default=None)
    op.add_column("video_jobs", sa.Column("estimate", postgresql.JSONB(astext_type=sa.Text()), nullable=True))

    op.drop_constraint(op.f("ck_video_submissions_state"), "video_submissions")
    op.create_check_constraint(
        op.f("ck_video_submissions_state"),
        "video_submissions",
        "state IN ('waiting', 'intended', 'unknown', 'accepted', 'done', 'refused', 'failed', 'written_off')",
    )
    op.add_column("video_submissions", sa.Column("callback_token", sa.Text(), nullable=True))
    # No vendor ever received these; they only fill the column. Two version-4 UUIDs are as hard to guess as any token.
    op.execute(
        "UPDATE video_submissions SET callback_token = replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')"
    )
    op.alter_column("video_submissions", "callback_token", nullable=False)
    op.create_index("uq_video_submissions_callback_token", "video_submissions", ["callback_token"], unique=True)
    op.add_column("video_submissions", sa.Column("candidate_id", sa.Text(), nullable=True))
    op.add_column("video_submissions", sa.Column("estimated_usd", sa.Numeric(), nullable=True))
    op.add_column("video_submissions", sa.Column("estimated_points", sa.Numeric(), nullable=True))
    op.create_index("ix_video_submissions_intended_at", "video_submissions", ["intended_at"])


def downgrade() -> None:
    op.drop_index("ix_video_submissions_intended_at", "video_submissions")
    for column in ("estimated_points", "estimated_usd", "candidate_id", "callback_token"):
        op.drop_column("video_submissions", column)
    # The older code has neither written-off submissions nor cancelled jobs: both become failed.
    op.execute("UPDATE video_submissions SET state = 'failed' WHERE state = 'written_off'")
    op.drop_constraint(op.f("ck_video_submissions_state"), "video_submissions")
    op.create_check_constraint(
        op.f("ck_video_submissions_state"),
        "video_submissions",
        "state IN ('waiting', 'intended', 'unknown', 'accepted', 'done', 'refused', 'failed')",
    )
    op.drop_column("video_jobs", "estimate")
    op.drop_column("video_jobs", "connections")
    op.execute("UPDATE video_jobs SET status = 'failed' WHERE status = 'cancelled'")
    op.drop_constraint(op.f("ck_video_jobs_status"), "video_jobs")
    op.create_check_constraint(
        op.f("ck_video_jobs_status"), "video_jobs", "status IN ('pending', 'processing', 'completed', 'failed')"
    )
