"""The real name that a mistyped one comes nearest to."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 12


def nearest(word: object, names: Iterable[str]) -> str | None:
    """The name most like `word`, or None when none is alike."""
    known = list(names)
    lower = {name.lower(): name for name in known}
    found = get_close_matches(str(word).lower(), lower, n=1, cutoff=0.6)
    return lower[found[0]] if found else None


def write_instead(word: object, names: Iterable[str]) -> str:
    """The end of a problem's sentence: the nearest real name, else all of them (or the first few)."""
    known = list(dict.fromkeys(names))
    near = nearest(word, known)
    if near:
        return f"write {near}"
    if not known:
        return "there is none yet"
    more = ", ..." if len(known) > SHOWN else ""
    return f"write {'one of ' if len(known) > 1 else ''}{', '.join(known[:SHOWN])}{more}"
