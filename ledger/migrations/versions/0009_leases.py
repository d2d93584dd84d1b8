"""The life of a dial list's lease: what the dialler took of it, that it is over, that it let go of its people."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None

ADDED = (
    ("expired_at", sa.BigInteger()),
    ("let_go_at", sa.BigInteger()),
    ("loaded_at", sa.BigInteger()),
    ("loaded", sa.Integer()),
)


def upgrade() -> None:
    for name, kind in ADDED:
        op.add_column("dial_list", sa.Column(name, kind, nullable=True))
    op.execute("UPDATE dial_list SET valid_until = lease_until WHERE valid_until IS NULL")
    out = sa.text("returned_at IS NULL")
    op.create_index("ix_dial_list_out", "dial_list", ["valid_until"], sqlite_where=out, postgresql_where=out)


def downgrade() -> None:
    op.drop_index("ix_dial_list_out", table_name="dial_list")
    for name, _ in ADDED:
        op.drop_column("dial_list", name)
