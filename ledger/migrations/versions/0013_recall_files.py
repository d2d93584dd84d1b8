"""Which file took an entry off its dial list: a recall that is done frees those of its own file alone."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

FILES_BEFORE = """
UPDATE dial_entry SET recalled_in = CASE WHEN recalled_for = 'expired' THEN 'expired' ELSE 'recall' END
WHERE recalled_at IS NOT NULL
"""
"""What the recalls of before are called, whose files nobody noted."""


def upgrade() -> None:
    op.add_column("dial_entry", sa.Column("recalled_in", sa.Text(), nullable=True))
    op.execute(FILES_BEFORE)


def downgrade() -> None:
    op.drop_column("dial_entry", "recalled_in")
