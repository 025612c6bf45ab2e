"""The doctor says what works, and what to do about what does not."""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys

import pytest

from emotional_dan_ros.model.weights import weights_path
from emotional_dan_ros.offline import doctor
from emotional_dan_ros.offline.doctor import Finding, Verdict


def _by_subject(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


def test_what_the_tests_themselves_need_works() -> None:
    findings = _by_subject(doctor.examine())
    for subject in ("Python", "PyTorch", "face detector", "videos", "bags"):
        assert findings[subject].verdict is Verdict.OK, findings[subject]
    has_ros = importlib.util.find_spec("rclpy") is not None
    assert (findings["ROS 2"].verdict is Verdict.OK) == has_ros


def test_missing_weights_are_told_with_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    code = doctor.run(argparse.Namespace(weights="no_such_weights"))
    output = capsys.readouterr().out
    assert code == 1
    assert "[!!] weights: expected weights 'no_such_weights'" in output
    assert output.strip().splitlines()[-1].startswith("broken: ")


def test_weights_of_ones_own_without_a_calibration_are_told(tmp_path) -> None:
    mine = tmp_path / "mine.safetensors"
    shutil.copy(weights_path("rt"), mine)
    findings = _by_subject(doctor.examine(str(mine)))
    assert findings["weights"].verdict is Verdict.OK
    assert findings["anomaly monitor"].verdict is Verdict.MISSING
    assert "mine.monitor.json" in findings["anomaly monitor"].text


def test_an_absent_optional_package_is_not_an_illness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "pyarrow" else real(name, *rest)
    )
    finding = _by_subject(doctor.examine())["Parquet tables"]
    assert finding.verdict is Verdict.MISSING
    assert "CSV" in finding.remedy


def test_a_wrong_dds_profile_is_an_illness(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rclpy")
    monkeypatch.delenv("RMW_IMPLEMENTATION", raising=False)
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "/no/such/file.xml")
    assert doctor._dds_profile().verdict is Verdict.BROKEN


def test_a_check_that_fails_unexpectedly_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Finding:
        raise RuntimeError("no\nreason")

    monkeypatch.setattr(doctor, "_videos", fail)
    finding = _by_subject(doctor.examine())["videos"]
    assert finding.verdict is Verdict.BROKEN
    assert finding.text == "no reason"
