"""How fast the hot paths are, next to the fastest the same machine does the same work in plain SQL."""
