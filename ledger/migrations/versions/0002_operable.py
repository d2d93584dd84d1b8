"""Contact limits, permitted hours, ramps, stopped waves, pauses."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS: dict[str, list[sa.Column[Any]]] = {
    "campaign": [
        sa.Column("limit_contacts", sa.SmallInteger(), nullable=True),
        sa.Column("limit_within_us", sa.BigInteger(), nullable=True),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
    ],
    "wave": [
        sa.Column("rest_from", sa.BigInteger(), nullable=True),
        sa.Column("ramp_passed", sa.BigInteger(), nullable=True),
        sa.Column("alarm", sa.Text(), nullable=True),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
    ],
    "batch": [sa.Column("rest", sa.Boolean(), server_default=sa.false(), nullable=False)],
    "dial_entry": [sa.Column("call_until", sa.BigInteger(), nullable=True)],
}


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            op.add_column(table, column)
    op.create_table(
        "legal_window",
        sa.Column("rules", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("zone_set", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("opens", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("closes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("rules", "kind", "zone_set", "opens", name=op.f("pk_legal_window")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "legal_span",
        sa.Column("rules", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("zone_set", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("known", sa.Boolean(), nullable=False),
        sa.Column("covered_from", sa.BigInteger(), nullable=False),
        sa.Column("covered_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("rules", "zone_set", name=op.f("pk_legal_span")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("legal_span")
    op.drop_table("legal_window")
    for table, columns in COLUMNS.items():
        for column in columns:
            op.drop_column(table, column.name)
