"""When the bytes of a paid call were built: their links expire, and `intended_at` is that of the last attempt."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column(
        "body_written_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )
    op.add_column("video_submissions", column)
    op.execute("UPDATE video_submissions SET body_written_at = intended_at")


def downgrade() -> None:
    op.drop_column("video_submissions", "body_written_at")
