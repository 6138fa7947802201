"""What the operator decided of feedback, why a retraining got no row of it, and the answer that it is about."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("feedback", sa.Column("answer", sa.String(), nullable=True))
    op.create_table(
        "feedback_review",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("feedback", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("decided_at", sa.String(27), nullable=True),
        sa.Column("no_row", sa.String(), nullable=True),
        sa.CheckConstraint(
            "verdict is null or verdict in ('accepted', 'rejected')", name=op.f("ck_feedback_review_verdict")
        ),
        sa.ForeignKeyConstraint(["feedback"], ["feedback.id"], name=op.f("fk_feedback_review_feedback_feedback")),
        sa.PrimaryKeyConstraint("organisation", "feedback", name=op.f("pk_feedback_review")),
    )
