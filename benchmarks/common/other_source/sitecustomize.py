"""Takes the package from another checkout (benchmarks/compare.py): only its sources, messages stay those built here."""

from __future__ import annotations

import os
from pathlib import Path

_source = os.environ.get("BENCHMARK_SOURCE")
if _source:
    import emotional_dan_ros

    # The package's own __init__ is empty, so nothing of it has been imported yet.
    _own, *_messages = emotional_dan_ros.__path__
    emotional_dan_ros.__path__ = [str(Path(_source) / "emotional_dan_ros"), *_messages]
