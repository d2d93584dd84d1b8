"""What the real channels need."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _provider_refs()
    _stops_told()
    _api_keys()
    _replies()
    _caps_of_the_law()
    _gates()
    _seeds()


def downgrade() -> None:
    _without_gates()
    _without_caps_of_the_law()
    for table in ("seed_touch", "stop_told", "reply", "api_key", "early_report", "provider_ref"):
        op.drop_table(table)


def _provider_refs() -> None:
    op.create_table(
        "provider_ref",
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("touch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sender", "ref", name=op.f("pk_provider_ref")),
    )
    op.create_index("ix_provider_ref_touch", "provider_ref", ["touch"])
    op.create_table(
        "early_report",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_event_id", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("came_at", sa.BigInteger(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "provider_event_id", name=op.f("pk_early_report")),
    )


def _plain_text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _api_keys() -> None:
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


def _replies() -> None:
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


RARE_EVENTS = (
    ("ix_event_complained", "touch", "outcome = 1002"),
    ("ix_event_filtered", "touch", "reason = 119"),
    ("ix_event_unknown", "received_at", "outcome = 1004"),
)


def _gates() -> None:
    op.create_table(
        "wave_gate",
        sa.Column("wave", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("level", sa.Text(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("wave", "gate", name=op.f("pk_wave_gate")),
    )
    for name, column, rare in RARE_EVENTS:
        op.create_index(name, "event", [column], sqlite_where=sa.text(rare), postgresql_where=sa.text(rare))


def _without_gates() -> None:
    for name, _, _ in RARE_EVENTS:
        op.drop_index(name, table_name="event")
    op.drop_table("wave_gate")


def _stops_told() -> None:
    op.create_table(
        "stop_told",
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("address", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sender", "address", name=op.f("pk_stop_told")),
    )


def _seeds() -> None:
    op.create_table(
        "seed_touch",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("wave", sa.Text(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("channel", sa.SmallInteger(), nullable=False),
        sa.Column("variant", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.SmallInteger(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("provider_ref", sa.Text(), nullable=True),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.SmallInteger(), nullable=True),
        sa.Column("arrived_at", sa.BigInteger(), nullable=True),
        sa.Column("arrived_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seed_touch")),
        sa.UniqueConstraint(
            "run", "wave", "seed", "channel", "variant", name=op.f("uq_seed_touch_run_wave_seed_channel_variant")
        ),
    )
    op.create_index("ix_seed_touch_campaign", "seed_touch", ["campaign"])
    op.create_index("ix_seed_touch_provider_ref", "seed_touch", ["provider_ref"])
