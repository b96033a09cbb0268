"""Why a job failed or was parked, for programs: the error's code, and the problems of an invalid request."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("video_jobs", sa.Column("error_code", sa.Text(), nullable=True))
    op.add_column("video_jobs", sa.Column("error_problems", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("video_jobs", "error_problems")
    op.drop_column("video_jobs", "error_code")
