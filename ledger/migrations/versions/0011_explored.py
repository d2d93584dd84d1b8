"""How an entry came on a dial list: by lot or by its score, how likely that was, and who was expected to answer."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None

ADDED = (("p_answer", sa.Float(53)), ("p_assign", sa.Float(53)), ("card", sa.BigInteger()))


def upgrade() -> None:
    for name, kind in ADDED:
        op.add_column("dial_entry", sa.Column(name, kind, nullable=True))
    op.add_column("dial_entry", sa.Column("explored", sa.Boolean(), nullable=False, server_default=sa.text("false")))


def downgrade() -> None:
    for name in ("explored", *(name for name, _ in reversed(ADDED))):
        op.drop_column("dial_entry", name)
