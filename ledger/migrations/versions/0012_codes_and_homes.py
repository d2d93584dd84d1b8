"""The dialler's own code of each call, and the way to all who share a household."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = ("call", "reversed_call", "spare_call")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("raw_code", sa.Text(), nullable=True))
    shared = sa.text("household IS NOT NULL")
    op.create_index("ix_customer_household", "customer", ["household"], sqlite_where=shared, postgresql_where=shared)


def downgrade() -> None:
    op.drop_index("ix_customer_household", table_name="customer")
    for table in TABLES:
        op.drop_column(table, "raw_code")
