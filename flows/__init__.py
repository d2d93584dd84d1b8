"""The life of a wave and the clock that drives it; Prefect decides when, the ledger remembers what."""
