"""Outputs are there whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from emotional_dan_ros.offline.atomic import UNFINISHED_PREFIX, sweep_unfinished, whole_or_nothing


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.txt"
    with whole_or_nothing(target) as path:
        path.write_text("whole")
        assert path.name == "a.txt"
        assert not target.exists()
    assert target.read_text() == "whole"
    assert _names(target.parent) == ["a.txt"]


def test_failure_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("before")

    def fail_halfway() -> None:
        with whole_or_nothing(target) as path:
            path.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert target.read_text() == "before"
    assert _names(tmp_path) == ["a.txt"]


def test_folder_replaces_folder(tmp_path: Path) -> None:
    target = tmp_path / "bag"
    for text in ("one", "two"):
        with whole_or_nothing(target) as path:
            path.mkdir()
            (path / text).write_text(text)
    assert _names(target) == ["two"]
    assert _names(tmp_path) == ["bag"]


def test_sweep_takes_leftovers_only(tmp_path: Path) -> None:
    (tmp_path / f"{UNFINISHED_PREFIX}killed").mkdir()
    (tmp_path / f"{UNFINISHED_PREFIX}killed" / "half.mcap").touch()
    (tmp_path / "whole.txt").touch()
    sweep_unfinished(tmp_path)
    assert _names(tmp_path) == ["whole.txt"]
