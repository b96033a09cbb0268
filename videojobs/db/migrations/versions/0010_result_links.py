"""Links to results that can be revoked, and the client's own name of an uploaded video."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The default gives every existing row a key of its own, too.
    key = sa.Column("link_key", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False)
    op.add_column("video_jobs", key)
    op.add_column("video_jobs", sa.Column("source_file_name", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("video_jobs", "source_file_name")
    op.drop_column("video_jobs", "link_key")
