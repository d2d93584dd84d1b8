"""Opens connections to a mail server by aiosmtplib: greeting, TLS, login, and why one did not come about."""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass
from functools import cached_property

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPAuthenticationError, SMTPException, SMTPResponseException

from channels.smtp_options import SmtpOptions
from channels.smtp_reply import Reply, meaning_of, receipt_of
from channels.smtp_wire import SmtpWire
from waves.errors import MultiwaveError
from waves.outcomes import Action, Reason

Stop = tuple[Reason | None, Action, float]
"""Why nothing more should be begun, what that asks of us, and for how many seconds."""
LATER: Stop = (Reason.PROVIDER, Action.RETRY, 60.0)
MISCONFIGURED: Stop = (Reason.CONFIG, Action.STOP_PROVIDER, 60.0)


class NotOpened(MultiwaveError):
    """No connection is ready for a letter; the message says why in words for `doctor`."""

    def __init__(self, why: str, stop: Stop = LATER, timed_out: bool = False) -> None:
        super().__init__(why)
        self.stop, self.timed_out = stop, timed_out


@dataclass
class Opener:
    """Where the server is, and who we are there."""

    options: SmtpOptions
    password: str | None

    async def opened(self, within_s: float) -> SmtpWire:
        """A connection that was greeted, secured and logged in; NotOpened when there is none within so many seconds."""
        options, host = self.options, self.options.host
        smtp = SMTP(
            hostname=host,
            port=options.at_port,
            username=options.user,
            password=self.password,
            local_hostname=options.domain,
            timeout=within_s,
            use_tls=options.tls == "tls",
            start_tls=options.tls == "starttls",
            tls_context=None if options.tls == "none" else self._trust,
        )
        try:
            async with asyncio.timeout(within_s):
                await smtp.connect()
                if smtp.is_ehlo_or_helo_needed:
                    await smtp.ehlo()
        except SMTPResponseException as error:
            smtp.close()
            raise _refused(host, error) from None
        except TimeoutError:
            smtp.close()
            raise NotOpened(f"{host} does not answer within {within_s:g} s", timed_out=True) from None
        except (OSError, UnicodeError) as error:
            smtp.close()
            raise NotOpened(_unreached(host, error)) from None
        except SMTPException as error:  # no STARTTLS, no AUTH: it says so in our terms, not the server's
            smtp.close()
            raise NotOpened(f"{host} cannot be used as written: {error.message}", MISCONFIGURED) from None
        return self._taken_over(smtp)

    def _taken_over(self, smtp: SMTP) -> SmtpWire:
        wire = SmtpWire(smtp.esmtp_extensions)
        wire.pipelines = wire.pipelines and self.options.pipelining
        assert smtp.transport is not None
        wire.take_over(smtp.transport)
        smtp.protocol = smtp.transport = None
        return wire

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context()


def _refused(host: str, error: SMTPResponseException) -> NotOpened:
    meaning = meaning_of(Reply.of(error.code, error.message), to_sender=True)
    login = isinstance(error, SMTPAuthenticationError)
    why = f"{host} refuses the {'login' if login else 'connection'} with {error.code}"
    if meaning is None or meaning.reason is Reason.UNREACHABLE:
        return NotOpened(why)
    said = receipt_of("", meaning, begun=False)
    if said.result != "not_sent":
        return NotOpened(why, MISCONFIGURED)
    return NotOpened(why, (said.reason, said.action, LATER[2] if said.retry_after_s is None else said.retry_after_s))


def _unreached(host: str, error: OSError | UnicodeError) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(cause, ssl.SSLError):
        why = getattr(cause, "verify_message", "") or cause.reason or "broken off"
        return f"{host} fails the TLS handshake: {why}"
    number = getattr(cause, "errno", None)
    return f"{host} cannot be reached: {os.strerror(number) if number and number > 0 else type(cause).__name__}"
