"""Files of call results, what it takes to undo one, and calls that were made too late."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PLAIN = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MADE = ("called_address", "spare_call", "reversed_call", "call_file")


def upgrade() -> None:
    op.add_column("call", sa.Column("file", sa.BigInteger(), nullable=True))
    op.add_column("call", sa.Column("late", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.create_index("ix_call_file", "call", ["file"])
    _files()
    _calls()
    _addresses()


def downgrade() -> None:
    for table in MADE:
        op.drop_table(table)
    op.drop_index("ix_call_file", table_name="call")
    for name in ("late", "file"):
        op.drop_column("call", name)


def _files() -> None:
    op.create_table(
        "call_file",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("dialler", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_file")),
    )
    op.create_index("ix_call_file_digest", "call_file", ["digest"])


def _said(required: bool) -> list[sa.Column[Any]]:
    return [
        sa.Column("touch", sa.BigInteger(), nullable=not required),
        sa.Column("entry", sa.BigInteger(), nullable=True),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("disposition", sa.SmallInteger(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("ring_s", sa.Float(53), nullable=True),
        sa.Column("talk_s", sa.Float(53), nullable=True),
        sa.Column("wrap_s", sa.Float(53), nullable=True),
        sa.Column("callback_at", sa.BigInteger(), nullable=True),
    ]


def _calls() -> None:
    op.create_table(
        "reversed_call",
        sa.Column("event", sa.BigInteger(), autoincrement=False, nullable=False),
        *_said(required=True),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("strength", sa.SmallInteger(), nullable=False),
        sa.Column("file", sa.BigInteger(), nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("reversed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("event", name=op.f("pk_reversed_call")),
    )
    op.create_index("ix_reversed_call_touch", "reversed_call", ["touch"])
    op.create_table(
        "spare_call",
        sa.Column("file", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("provider", PLAIN, nullable=False),
        sa.Column("call_id", PLAIN, nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=True),
        *_said(required=False),
        sa.PrimaryKeyConstraint("file", "provider", "call_id", name=op.f("pk_spare_call")),
    )
    op.create_index("ix_spare_call_call_id", "spare_call", ["provider", "call_id"])
    op.create_index("ix_spare_call_touch", "spare_call", ["touch"])


def _addresses() -> None:
    op.create_table(
        "called_address",
        sa.Column("file", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("address", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("consent", sa.SmallInteger(), nullable=False),
        sa.Column("consent_source", sa.Text(), nullable=True),
        sa.Column("consent_at", sa.BigInteger(), nullable=True),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("file", "address", name=op.f("pk_called_address")),
    )
    op.create_index("ix_called_address_address", "called_address", ["address"])
