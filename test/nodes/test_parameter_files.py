"""The shipped parameter files and the interface page agree with the tables and with what ROS 2 makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")
pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")

from emotional_dan_ros.core.anomaly import MonitorConfig
from emotional_dan_ros.core.detector_config import DetectorConfig
from emotional_dan_ros.nodes import parameter_files
from emotional_dan_ros.nodes.config_parameters import described_attributes
from emotional_dan_ros.nodes.parameter_tables import NODES, table

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("node", NODES)
def test_the_shipped_file_is_the_generated_one(node):
    shipped = (ROOT / "config" / f"{node}.yaml").read_text(encoding="utf-8")
    assert shipped == parameter_files.yaml_of(node), "run python -m emotional_dan_ros.nodes.parameter_files"


def test_the_interface_page_is_the_generated_one():
    page = (ROOT / "docs" / "interfaces.md").read_text(encoding="utf-8")
    assert page == parameter_files.with_tables(page), "run python -m emotional_dan_ros.nodes.parameter_files"


def flat(values: dict, prefix: str = "") -> dict:
    result = {}
    for name, value in values.items():
        result.update(flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value})
    return result


@pytest.mark.parametrize("node", NODES)
def test_the_file_holds_every_default_in_its_type(node):
    content = yaml.safe_load((ROOT / "config" / f"{node}.yaml").read_text(encoding="utf-8"))
    assert list(content) == [f"/**/{node}"]
    values = flat(content[f"/**/{node}"]["ros__parameters"])
    expected = {p.name: list(p.default) if isinstance(p.default, tuple) else p.default for p in table(node)}
    assert values == expected
    assert {name: type(value) for name, value in values.items()} == {n: type(v) for n, v in expected.items()}


@pytest.mark.parametrize("node", NODES)
def test_every_parameter_is_described_once(node):
    names = [param.name for param in table(node)]
    assert len(set(names)) == len(names)
    for param in table(node):
        assert param.description.endswith("."), param.name
        assert param.description[0].isupper(), param.name
        param.check(param.default)


def test_defaults_of_core_settings_are_those_of_core():
    monitor = {p.name: p.default for p in table("anomaly_monitor")}
    assert {name: monitor[name] for name in MonitorConfig().flat()} == MonitorConfig().flat()
    detector = {p.name: p.default for p in table("face_detector")}
    assert detector["detector.min_face_px"] == DetectorConfig().min_face_px


def test_docstrings_are_read_whole():
    words = described_attributes(DetectorConfig)
    assert words["scale_step"] == "From one size of face to the next, 0..1 (exclusive)."
    assert words["min_face_px"].startswith("Side of the smallest face")
    assert "square" in words["min_face_px"]
