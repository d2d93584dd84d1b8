"""The log of `up`: one line an event, on standard error and in home/log/up.log, which is kept to 5 files of 5 MB."""

from __future__ import annotations

import logging
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

LARGEST, KEPT = 5_000_000, 4
LINE = "%(asctime)sZ %(levelname)s %(message)s"


class _OneLine(logging.Formatter):
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", "; ")


def log_file(home: Path) -> Path:
    """Where the log of a home is."""
    return home / "log" / "up.log"


def open_log(home: Path) -> logging.Logger:
    """A logger that writes both; counts, names of campaigns and waves, and no person."""
    path = log_file(home)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    log = logging.getLogger("multiwave.up")
    log.setLevel(logging.INFO)
    log.propagate = False
    for handler in (logging.StreamHandler(), RotatingFileHandler(path, maxBytes=LARGEST, backupCount=KEPT)):
        handler.setFormatter(_OneLine(LINE))
        log.addHandler(handler)
    return log
