"""Batches of jobs: one row per batch, and one per job in it."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None

_NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    op.create_table(
        "job_batches",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("client_key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_batches")),
    )
    op.create_index("ix_job_batches_user_id", "job_batches", ["user_id", "created_at"])
    op.create_index(
        "uq_job_batches_client_key",
        "job_batches",
        ["user_id", "client_key"],
        unique=True,
        postgresql_where=sa.text("client_key IS NOT NULL"),
    )
    op.create_table(
        "job_batch_rows",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("batch_id", "number", name=op.f("pk_job_batch_rows")),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["job_batches.id"], name=op.f("fk_job_batch_rows_batch_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["video_jobs.id"], name=op.f("fk_job_batch_rows_job_id"), ondelete="SET NULL"
        ),
    )
    op.create_index("uq_job_batch_rows_job_id", "job_batch_rows", ["job_id"], unique=True)


def downgrade() -> None:
    op.drop_table("job_batch_rows")
    op.drop_table("job_batches")
