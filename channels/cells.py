r"""Cells that no spreadsheet takes for a formula, and the way back.

OWASP "CSV Injection": a cell that begins with = + - @ tab or line end (or a full-width twin of the first four) may be
run as a formula; an apostrophe before it makes it text. A spreadsheet set to another separator cuts our cells at `;`
and tab, so the same holds after those. Space and apostrophes before the sign do not hide it.
`unguard(guard(x)) == x` for every x.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

_DANGER = "(?='*\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20\t\r\n])"
_BEGIN = "(?:\\A|(?<=[;\t\r\n]))"
_GUARD = re.compile(_BEGIN + _DANGER)
_UNGUARD = re.compile(_BEGIN + "'" + _DANGER)
PHONE = re.compile(r"\+[0-9]{6,15}")


def guard(text: str) -> str:
    """The text with an apostrophe wherever a spreadsheet could begin a formula."""
    return _GUARD.sub("'", text)


def unguard(text: str) -> str:
    """The text that `guard` was given."""
    return _UNGUARD.sub("", text)


def cell(value: object) -> str:
    """One cell: a number as it is (it is no formula), nothing for None or what is not finite, text guarded."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() else ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    return guard(str(value))
