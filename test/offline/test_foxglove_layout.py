"""The Foxglove layout names only panels, topics and fields that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from emotional_dan_ros.offline.bag_messages import typestore
from emotional_dan_ros.offline.mcap_writer import OUTPUT_TOPICS
from emotional_dan_ros.offline.outputs import OVERLAY_TOPIC

LAYOUT = json.loads((Path(__file__).resolve().parents[2] / "config" / "foxglove_layout.json").read_text())
PANELS: dict[str, dict[str, Any]] = LAYOUT["configById"]


def _leaves(node: Any) -> list[str]:
    return [node] if isinstance(node, str) else _leaves(node["first"]) + _leaves(node["second"])


def _paths() -> list[str]:
    found = [path["value"] for panel in PANELS.values() for path in panel.get("paths", [])]
    return found + [panel["topicPath"] for panel in PANELS.values() if "topicPath" in panel]


def test_every_panel_is_placed_once() -> None:
    placed = _leaves(LAYOUT["layout"])
    placed += [leaf for panel in PANELS.values() for tab in panel.get("tabs", []) for leaf in _leaves(tab["layout"])]
    assert sorted(placed) == sorted(PANELS)


@pytest.mark.parametrize("path", _paths())
def test_paths_lead_to_fields(path: str) -> None:
    topic, _, fields = path.partition(".")
    type_name = OUTPUT_TOPICS[topic][0]
    definitions = typestore().fielddefs
    for step in filter(None, re.sub(r"\{[^}]*\}|\[:\]", "", fields).split(".")):
        name, index = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", step).groups()  # type: ignore[union-attr]
        kind = dict(definitions[type_name][1])[name]
        if index is not None:
            assert int(index) < kind[1][1], f"{path}: {name} has {kind[1][1]} elements"
        inner = kind[1][0] if kind[0].name in ("ARRAY", "SEQUENCE") else kind
        type_name = inner[1] if inner[0].name == "NAME" else type_name
    for variable in re.findall(r"\$(\w+)", path):
        assert variable in LAYOUT["globalVariables"]


def test_images_are_those_of_a_processed_bag_and_of_the_graph() -> None:
    topics = {panel["imageMode"]["imageTopic"] for panel in PANELS.values() if "imageMode" in panel}
    assert topics == {"/image", "/image/compressed", OVERLAY_TOPIC, f"{OVERLAY_TOPIC}/compressed"}


def test_all_seven_emotions_are_plotted_under_their_names() -> None:
    from emotional_dan_ros.core.labels import Emotion

    plotted = {path["value"].rsplit(".", 1)[1]: path["label"] for path in PANELS["Plot!probabilities"]["paths"]}
    assert plotted == {f"probabilities[{int(emotion)}]": emotion.label for emotion in Emotion}
