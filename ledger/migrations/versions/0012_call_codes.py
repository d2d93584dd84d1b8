"""The dialler's own code of each call, as its results say it."""

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


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "raw_code")
