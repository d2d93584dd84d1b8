"""When a person was promised to be called again, and entries that were taken off a list that is out."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ADDED = (
    ("call", "callback_at", sa.BigInteger()),
    ("dial_list", "valid_until", sa.BigInteger()),
    ("dial_entry", "callback_at", sa.BigInteger()),
    ("dial_entry", "agent", sa.Text()),
    ("dial_entry", "recalled_at", sa.BigInteger()),
    ("dial_entry", "recalled_for", sa.Text()),
)


def upgrade() -> None:
    for table, name, kind in ADDED:
        op.add_column(table, sa.Column(name, kind, nullable=True))
    op.create_index("ix_past_call_number", "past_call", ["number"])
    promised = sa.text("callback_at IS NOT NULL")
    op.create_index("ix_call_callback_at", "call", ["callback_at"], sqlite_where=promised, postgresql_where=promised)


def downgrade() -> None:
    op.drop_index("ix_call_callback_at", table_name="call")
    op.drop_index("ix_past_call_number", table_name="past_call")
    for table, name, _ in ADDED:
        op.drop_column(table, name)
