"""Event kinds, a recovery point and a column get the names that the code has."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_EVENT_KINDS = {
    "heard_of": "callback_received",
    "claimed": "lease_acquired",
    "cleaned_up": "cleanup_action",
    "accepted_too_late": "accepted_after_write_off",
}
_OLD_POINT, _NEW_POINT = "understood", "analyzed"
_POINTS = (
    "recovery_point IN ('opened', 'uploaded', 'lip_sync_submitted', 'lip_sync_stored', 'text_removal_submitted', "
    "'text_removal_stored', 'fetched', 'transcribed', 'slides_found', '{}', 'documents_stored', 'completed')"
)


def upgrade() -> None:
    _rename_point(_OLD_POINT, _NEW_POINT)
    _rename_in_events(_EVENT_KINDS, _OLD_POINT, _NEW_POINT)
    op.alter_column("video_submissions", "candidate_id", new_column_name="reported_vendor_id")


def downgrade() -> None:
    op.alter_column("video_submissions", "reported_vendor_id", new_column_name="candidate_id")
    _rename_in_events({new: old for old, new in _EVENT_KINDS.items()}, _NEW_POINT, _OLD_POINT)
    _rename_point(_NEW_POINT, _OLD_POINT)


def _rename_point(old: str, new: str) -> None:
    op.drop_constraint(op.f("ck_video_jobs_recovery_point"), "video_jobs")
    rename = sa.text("UPDATE video_jobs SET recovery_point = :new WHERE recovery_point = :old")
    op.get_bind().execute(rename, {"old": old, "new": new})
    op.create_check_constraint(op.f("ck_video_jobs_recovery_point"), "video_jobs", _POINTS.format(new))


def _rename_in_events(kinds: dict[str, str], old_point: str, new_point: str) -> None:
    """The events are append-only for everything else: their trigger is off within this transaction."""
    op.execute("ALTER TABLE video_job_events DISABLE TRIGGER video_job_events_append_only")
    rename_kind = sa.text("UPDATE video_job_events SET kind = :new WHERE kind = :old")
    op.get_bind().execute(rename_kind, [{"old": old, "new": new} for old, new in kinds.items()])
    rename_point = sa.text("UPDATE video_job_events SET point = :new WHERE point = :old")
    op.get_bind().execute(rename_point, {"old": old_point, "new": new_point})
    op.execute("ALTER TABLE video_job_events ENABLE TRIGGER video_job_events_append_only")
