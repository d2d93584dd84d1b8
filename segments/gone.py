"""Customers who have left, as the `gone` column of a file says: suppressed until a later file has them back."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from segments.staging import staged

GONE = "gone"
"""The reason of such a suppression; one that a person gave has another and is never lifted by a file."""
SOURCE = "import"


def suppress_gone(connection: Connection, customers: Sequence[int], now: int) -> None:
    """Suppress these customers on every channel; who is suppressed so already stays so (uq_suppression_live)."""
    if not customers:
        return
    with staged(connection, "stage_gone", {"customer": "integer"}, [(id_,) for id_ in customers]):
        connection.exec_driver_sql(
            "INSERT INTO suppression (customer, channel, reason, source, since) "
            f"SELECT customer, 0, '{GONE}', '{SOURCE}', {now:d} FROM stage_gone WHERE true ON CONFLICT DO NOTHING"
        )


def lift_gone(connection: Connection, customers: Sequence[int], now: int) -> list[int]:
    """End what `suppress_gone` began for those of these customers who are back; who they are."""
    if not customers:
        return []
    with staged(connection, "stage_back", {"customer": "integer"}, [(id_,) for id_ in customers]):
        back = connection.exec_driver_sql(  # ix_suppression_customer
            f"UPDATE suppression SET until = {now:d} FROM stage_back b WHERE suppression.customer = b.customer "
            f"AND suppression.reason = '{GONE}' AND suppression.source = '{SOURCE}' AND suppression.until IS NULL "
            "RETURNING suppression.customer"
        )
        return [id_ for (id_,) in back]
