"""Dial lists: one file per dialler format, each writes a list and reads its dispositions back."""
