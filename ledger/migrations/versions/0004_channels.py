"""What the real channels need."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _caps_of_the_law()


def downgrade() -> None:
    _without_caps_of_the_law()


def _caps_of_the_law() -> None:
    op.create_table(
        "legal_cap",
        sa.Column("rules", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("zone_set", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("counted", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("calls", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("within_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint(
            "rules", "zone_set", "place", "counted", "calls", "within_us", name=op.f("pk_legal_cap")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_call_number", "call", ["number"])


def _without_caps_of_the_law() -> None:
    op.drop_index("ix_call_number", table_name="call")
    op.drop_table("legal_cap")
