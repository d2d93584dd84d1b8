"""What VICIdial's non_agent_api.php answers: lines of SUCCESS, NOTICE and ERROR, without what they echo.

    SUCCESS: add_lead LEAD HAS BEEN ADDED - 7275551111|6666|999|193715|-4

Behind the words stands what VICIdial was sent: the number, the name, after a login that failed the password. Nothing
of that is kept but the id of a lead that was changed. The words are those of its docs/NON-AGENT_API.txt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

ADDED = "add_lead LEAD HAS BEEN ADDED"
SCHEDULED = frozenset(
    {
        "add_lead SCHEDULED CALLBACK ADDED",
        "update_lead SCHEDULED CALLBACK ADDED",
        "update_lead SCHEDULED CALLBACK UPDATED",
    }
)
DUPLICATE = "add_lead DUPLICATE PHONE NUMBER IN LIST"
OF_THIS_LEAD = re.compile(
    r"add_lead (?:INVALID PHONE NUMBER [A-Z ]+|PHONE NUMBER IN [A-Z ]*DNC[A-Z ]*|LEAD HAS NOT BEEN ADDED)"
)
"""Errors that speak of one lead; every other one would meet the next lead as well."""

FOUND = "update_lead LEADS FOUND IN THE SYSTEM"
NONE_FOUND = "update_lead NO MATCHES FOUND IN THE SYSTEM"
UPDATED = "update_lead LEAD HAS BEEN UPDATED"
OUT_OF_HOPPER = frozenset(
    {"update_lead REMOVED FROM HOPPER", "update_lead NOT REMOVED FROM HOPPER, LEAD IS NOT IN THE HOPPER"}
)
STILL_IN_HOPPER = "update_lead NOT REMOVED FROM HOPPER"

_LINE = re.compile(r"(SUCCESS|NOTICE|ERROR): (.+)")
_ECHO = re.compile(r" - |:|\|")
_WORDS = re.compile(r"[A-Za-z0-9_ ,./-]{1,100}")


@dataclass(frozen=True, slots=True)
class Said:
    """One line of an answer: SUCCESS, NOTICE or ERROR, its words, and the id of the lead in the echo of an update."""

    kind: str
    words: str
    lead: str | None = None

    @property
    def short(self) -> str:
        """The words without the function's name."""
        return re.sub(r"^[a-z_]+_lead ", "", self.words)


def said_in(content: bytes) -> Sequence[Said]:
    """The lines of an answer, in order; what is none of VICIdial's is left out."""
    found = (_LINE.fullmatch(line.strip()) for line in content.decode("utf-8", "replace").splitlines())
    return [_said(match[1], match[2]) for match in found if match]


def _said(kind: str, text: str) -> Said:
    words, *echo = _ECHO.split(text, maxsplit=1)
    if not _WORDS.fullmatch(words := words.strip()):
        words = "something that VICIdial's documentation has not"
    cells = echo[0].split("|") if echo and words == UPDATED else []
    lead = cells[1].strip() if len(cells) > 1 and cells[1].strip().isdigit() else None
    return Said(kind, words, lead)
