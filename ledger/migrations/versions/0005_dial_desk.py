"""What call lists are learnt from, and what was learnt."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PLAIN = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _past_calls()
    _model_cards()
    _call_scores()


def downgrade() -> None:
    for table in ("call_score", "model_card", "past_call"):
        op.drop_table(table)


def _past_calls() -> None:
    op.create_table(
        "past_call",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("customer", sa.BigInteger(), nullable=False),
        sa.Column("number", PLAIN, nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("disposition", sa.SmallInteger(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("source", PLAIN, nullable=False),
        sa.Column("source_id", PLAIN, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_past_call")),
        sa.UniqueConstraint("source", "source_id", name=op.f("uq_past_call_source_source_id")),
    )
    op.create_index("ix_past_call_customer", "past_call", ["customer"])


def _model_cards() -> None:
    op.create_table(
        "model_card",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("campaign", sa.BigInteger(), nullable=False),
        sa.Column("wave", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fitted_at", sa.BigInteger(), nullable=False),
        sa.Column("fitted_by", sa.Text(), nullable=False),
        sa.Column("window_from", sa.BigInteger(), nullable=True),
        sa.Column("window_to", sa.BigInteger(), nullable=True),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("positives", sa.Integer(), nullable=False),
        sa.Column("tested", sa.Integer(), nullable=False),
        sa.Column("features", sa.Text(), nullable=False),
        sa.Column("auc", sa.Float(53), nullable=True),
        sa.Column("within50", sa.Float(53), nullable=True),
        sa.Column("within20", sa.Float(53), nullable=True),
        sa.Column("trailing50", sa.Float(53), nullable=True),
        sa.Column("beats", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("calibration", sa.Text(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_card")),
    )
    op.create_index("ix_model_card_wave", "model_card", ["wave", "kind"])


def _call_scores() -> None:
    op.create_table(
        "call_score",
        sa.Column("wave", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("customer", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("answer", sa.Float(53), nullable=False),
        sa.Column("convert", sa.Float(53), nullable=False),
        sa.Column("best_slot", sa.SmallInteger(), nullable=False),
        sa.Column("score", sa.Float(53), nullable=True),
        sa.Column("scored_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("wave", "customer", name=op.f("pk_call_score")),
        sqlite_with_rowid=False,
    )
