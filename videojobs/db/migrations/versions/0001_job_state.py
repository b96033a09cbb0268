"""Job state: jobs, submissions, events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "video_jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=True),
        sa.Column("is_pro_job", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("progress_percentage", sa.Integer(), nullable=False),
        sa.Column("progress_message", sa.Text(), nullable=False),
        sa.Column("recovery_point", sa.Text(), nullable=False),
        sa.Column("parked_reason", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("output_url", sa.Text(), nullable=True),
        sa.Column("zhaoli_task_id", sa.Text(), nullable=True),
        sa.Column("processing_config", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("segments_data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("job_metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_fingerprint", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("lease_holder", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "jsonb_typeof(processing_config->'effects') = 'array'", name=op.f("ck_video_jobs_effects_array")
        ),
        sa.CheckConstraint(
            "recovery_point IN ('opened', 'uploaded', 'lip_sync_submitted', 'lip_sync_stored', 'text_removal_submitted', 'text_removal_stored', 'completed')",
            name=op.f("ck_video_jobs_recovery_point"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'processing', 'completed', 'failed')", name=op.f("ck_video_jobs_status")
        ),
        sa.CheckConstraint("progress_percentage BETWEEN 0 AND 100", name=op.f("ck_video_jobs_progress")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_video_jobs")),
    )
    op.create_index("ix_video_jobs_created_at", "video_jobs", ["created_at"], unique=False)
    op.create_index("ix_video_jobs_status_updated_at", "video_jobs", ["status", "updated_at"], unique=False)
    op.create_index("ix_video_jobs_user_id", "video_jobs", ["user_id", "created_at"], unique=False)
    op.create_table(
        "video_job_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("point", sa.Text(), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["video_jobs.id"], name=op.f("fk_video_job_events_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_video_job_events")),
    )
    op.create_index(op.f("ix_video_job_events_job_id"), "video_job_events", ["job_id"], unique=False)
    op.create_table(
        "video_submissions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("request_body", sa.LargeBinary(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=True),
        sa.Column("vendor_batch_id", sa.Text(), nullable=True),
        sa.Column("vendor_answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("paid_points", sa.Numeric(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "intended_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("stage IN ('lip_sync', 'text_removal')", name=op.f("ck_video_submissions_stage")),
        sa.CheckConstraint(
            "state IN ('waiting', 'intended', 'unknown', 'accepted', 'done', 'refused', 'failed')",
            name=op.f("ck_video_submissions_state"),
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["video_jobs.id"], name=op.f("fk_video_submissions_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_video_submissions")),
    )
    op.create_index("uq_video_submissions_attempt", "video_submissions", ["job_id", "stage", "attempt"], unique=True)
    op.create_index(
        "uq_video_submissions_live",
        "video_submissions",
        ["job_id", "stage"],
        unique=True,
        postgresql_where=sa.text("state IN ('waiting', 'intended', 'unknown', 'accepted', 'done')"),
    )
    op.create_index(
        "uq_video_submissions_vendor_id",
        "video_submissions",
        ["stage", "vendor_id"],
        unique=True,
        postgresql_where=sa.text("vendor_id IS NOT NULL"),
    )
    # The audit log is append-only; rows go only together with their job.
    op.execute(
        "CREATE FUNCTION refuse_event_update() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'video_job_events is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER video_job_events_append_only BEFORE UPDATE ON video_job_events "
        "FOR EACH ROW EXECUTE FUNCTION refuse_event_update()"
    )


def downgrade() -> None:
    op.drop_table("video_submissions")
    op.drop_table("video_job_events")
    op.drop_table("video_jobs")
    op.execute("DROP FUNCTION refuse_event_update()")
