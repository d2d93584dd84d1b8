"""What people write: settings, the customers schema, plans, segments, templates; and every problem in them."""

from __future__ import annotations

from pathlib import Path

PACKAGED = Path(__file__).parent
"""The folder of the packaged examples, which is a whole configuration that runs."""
