"""Weights of one's own come with a calibration of their own, or it is said that they do not."""

from __future__ import annotations

import pytest

from emotional_dan_ros.core.anomaly import calibration_path
from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.offline.own_calibration import own_calibration


def test_shipped_weights_need_none(capsys):
    assert own_calibration("rt") is None
    assert capsys.readouterr().err == ""


def test_it_is_read_from_beside_the_weights(tmp_path, capsys):
    mine = tmp_path / "mine.safetensors"
    mine.touch()
    content = calibration_path("rt").read_text().replace('"model_name": "rt"', '"model_name": "mine"')
    (tmp_path / "mine.monitor.json").write_text(content)
    found = own_calibration(str(mine))
    assert found is not None
    assert found.model_name == "mine"
    assert capsys.readouterr().err == ""


def test_weights_without_one_are_told(tmp_path, capsys):
    mine = tmp_path / "mine.safetensors"
    mine.touch()
    assert own_calibration(str(mine)) is None
    told = capsys.readouterr().err
    assert str(tmp_path / "mine.monitor.json") in told
    assert told.count("\n") == 1


def test_weights_that_are_not_there_are_the_error(tmp_path):
    with pytest.raises(UserError, match="expected weights"):
        own_calibration(str(tmp_path / "none.safetensors"))
