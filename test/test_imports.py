"""What starting a command or a node must not load: time and memory that every start would pay for."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Needed for pictures of the sample, for training, plots, bags and export; never by a running graph.
_NOT_OF_THE_GRAPH = (
    "facenet_pytorch",
    "matplotlib",
    "onnx",
    "pandas",
    "pyarrow",
    "rosbags",
    "scipy",
    "skimage",
    "sympy",
    "tensorboard",
    "torch._dynamo",
    "torch._inductor",
    "torchvision",
)


def _loaded_by(statement: str) -> set[str]:
    """Names of all modules after a statement in a process of its own."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    return set(done.stdout.split())


def test_help_loads_no_library() -> None:
    loaded = _loaded_by("import emotional_dan_ros.cli as cli\ntry:\n    cli.main(['--help'])\nexcept SystemExit: pass")
    assert "emotional_dan_ros.cli" in loaded
    assert not loaded & {"cv2", "numpy", "rclpy", "torch", *_NOT_OF_THE_GRAPH}


@pytest.mark.parametrize(
    "node",
    ["anomaly_monitor", "overlay", "video_source", "standards_bridge", "face_detector", "emotion_recognizer", "cabin"],
)
def test_nodes_join_the_graph_before_pytorch_is_loaded(node: str) -> None:
    pytest.importorskip("rclpy")
    loaded = _loaded_by(f"import emotional_dan_ros.nodes.{node}")
    assert f"emotional_dan_ros.nodes.{node}" in loaded
    assert not loaded & {"torch", *_NOT_OF_THE_GRAPH}


@pytest.mark.parametrize("module", ["detector", "recognizer", "explanation"])
def test_what_they_configure_loads_nothing_that_the_graph_does_not_use(module: str) -> None:
    loaded = _loaded_by(f"import emotional_dan_ros.core.{module}")
    assert "torch" in loaded
    assert not loaded & set(_NOT_OF_THE_GRAPH)
