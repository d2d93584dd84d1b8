"""Show something anew every two seconds until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live
from rich.text import Text

from console.show import say, screen

EVERY_S = 2.0


def watch(show: Callable[[], None]) -> None:
    """On a terminal the screen is redrawn, and the last picture stays; elsewhere each picture follows the last."""
    try:
        if screen.is_terminal:
            _redraw(show)
        while True:
            say(f"-- {datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z")
            show()
            time.sleep(EVERY_S)
    except KeyboardInterrupt:
        return


def _redraw(show: Callable[[], None]) -> None:
    picture = ""
    try:
        with Live(console=Console(highlight=False), auto_refresh=False, screen=True, vertical_overflow="crop") as live:
            while True:
                with screen.capture() as captured:
                    show()
                picture = captured.get()
                seen = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z, every {EVERY_S:.0f} s; Ctrl-C ends\n\n"
                live.update(Text.from_ansi(seen + picture), refresh=True)
                time.sleep(EVERY_S)
    except KeyboardInterrupt:
        screen.out(picture, end="", highlight=False)
        raise
