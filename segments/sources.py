"""The file of customers that a path names: Parquet by its ending, else CSV or TSV."""

from __future__ import annotations

from pathlib import Path

from config.schema import CustomersSchema
from segments.csv_file import open_csv
from segments.sheet import Source

PARQUET = (".parquet", ".pq")


def open_source(path: Path, schema: CustomersSchema) -> Source:
    """The file, ready to be surveyed; InputError when it is none."""
    if path.suffix.lower() in PARQUET:
        from segments.parquet_file import open_parquet  # Arrow is 30 MB, which no other file needs

        return open_parquet(path, schema)
    return open_csv(path, schema)
