"""The recorded answers of the published graph, for several test files."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def published() -> ModuleType:
    """The module ``reference_weights`` beside this file; tests are imported one by one and see no neighbours."""
    path = Path(__file__).with_name("reference_weights.py")
    spec = importlib.util.spec_from_file_location("reference_weights", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
