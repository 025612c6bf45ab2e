"""Where weights lie that ship with the package. Apart from what reads them, so that a name is told without PyTorch."""

from __future__ import annotations

from pathlib import Path

WEIGHTS_DIR = Path(__file__).resolve().parents[1] / "weights"
#: Used where none are named.
DEFAULT_WEIGHTS = "rt"


def is_shipped_name(weights: str | Path) -> bool:
    """Whether this names weights that ship with the package (``rt``) and not a file."""
    text = str(weights)
    return bool(text) and "/" not in text and "." not in text
