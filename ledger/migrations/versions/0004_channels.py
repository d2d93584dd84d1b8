"""What the real channels need."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    api_keys()
    replies()


def downgrade() -> None:
    op.drop_table("reply")
    op.drop_table("api_key")


def _plain_text() -> sa.Text:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def api_keys() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", _plain_text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("taken", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unknown", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_key_digest")),
    )
    live = sa.text("revoked_at IS NULL")
    op.create_index("uq_api_key_live", "api_key", ["name"], unique=True, sqlite_where=live, postgresql_where=live)


def replies() -> None:
    op.create_table(
        "reply",
        sa.Column("event", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.SmallInteger(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("customer", sa.BigInteger(), nullable=True),
        sa.Column("keyword", sa.Text(), nullable=True),
        sa.Column("asks", sa.Text(), nullable=True),
        sa.Column("suppression", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("event", name=op.f("pk_reply")),
    )
    for column in ("sealed", "customer", "suppression"):
        op.create_index(f"ix_reply_{column}", "reply", [column])
