"""Which provider a submission was made for. Until now each stage had one, so rows are filled from the stage."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("video_submissions", sa.Column("provider", sa.Text(), nullable=True))
    op.execute("UPDATE video_submissions SET provider = CASE stage WHEN 'lip_sync' THEN 'sync_so' ELSE 'ghostcut' END")
    op.alter_column("video_submissions", "provider", nullable=False)
    _replace_vendor_id_index("provider")


def downgrade() -> None:
    _replace_vendor_id_index("stage")
    op.drop_column("video_submissions", "provider")


def _replace_vendor_id_index(scope: str) -> None:
    """An id is unique at the vendor that gave it."""
    name = "uq_video_submissions_vendor_id"
    op.drop_index(name, "video_submissions")
    op.create_index(
        name,
        "video_submissions",
        [scope, "vendor_id"],
        unique=True,
        postgresql_where=sa.text("vendor_id IS NOT NULL"),
    )
