"""The errors a person can meet; the class name is the situation, the message says what, where and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class MultiwaveError(Exception):
    """Base of every error that the command line shows as one message with exit code 2."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding in a file a person wrote: `file:line: what is wrong, what to write instead`."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class PlanError(MultiwaveError):
    """A plan or a file it names cannot be used; carries every problem found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


class RuleError(MultiwaveError):
    """A segment or enter rule that cannot be understood; `line` counts within the rule's own text, from 1.

    `also` holds what else is wrong with the same rule.
    """

    def __init__(self, message: str, line: int = 1, also: Sequence[RuleError] = ()) -> None:
        self.line = line
        self.also = tuple(also)
        super().__init__(message)

    @property
    def every(self) -> tuple[RuleError, ...]:
        """This error and all others of the rule, in the rule's order."""
        return (self, *(deeper for other in self.also for deeper in other.every))


class InputError(MultiwaveError):
    """A file of customers, events, dispositions or conversions cannot be read; nothing of it was stored."""


class LedgerError(MultiwaveError):
    """The ledger is missing, of another version, or refuses what was asked of it."""


class EngineBusy(LedgerError):
    """Another program advances this ledger; what is due is in its hands."""


class WorkerError(LedgerError):
    """A worker that must not work: its name is another's, or its clock is wrong."""


class EngineError(MultiwaveError):
    """The flows cannot run, or were cut off: Prefect does not answer. The ledger holds what was done so far."""


class CampaignError(MultiwaveError):
    """The campaign is not in a state that allows what was asked."""


class SendRefused(MultiwaveError):
    """A message that must not or cannot be sent."""


class SendInDoubt(MultiwaveError):
    """A send was cut off and nobody knows how much of the chunk left; none of it is ever sent again by itself."""


class TokenError(MultiwaveError):
    """A token that this ledger did not make."""


class WebhookRejected(MultiwaveError):
    """A report that came in over the web and cannot be believed or read; `status` is what its sender is answered."""

    def __init__(self, message: str, status: int = 401) -> None:
        self.status = status
        super().__init__(message)
