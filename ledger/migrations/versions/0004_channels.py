"""What the real channels need."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _provider_refs()
    _stops_told()


def downgrade() -> None:
    for table in ("stop_told", "early_report", "provider_ref"):
        op.drop_table(table)


def _provider_refs() -> None:
    op.create_table(
        "provider_ref",
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("touch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sender", "ref", name=op.f("pk_provider_ref")),
    )
    op.create_index("ix_provider_ref_touch", "provider_ref", ["touch"])
    op.create_table(
        "early_report",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_event_id", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("came_at", sa.BigInteger(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "provider_event_id", name=op.f("pk_early_report")),
    )


def _stops_told() -> None:
    op.create_table(
        "stop_told",
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("address", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sender", "address", name=op.f("pk_stop_told")),
    )
