"""All nodes in one process; images, faces and emotions pass as objects."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from emotional_dan_ros.nodes.anomaly_monitor import AnomalyMonitorNode
from emotional_dan_ros.nodes.base import PipelineNode
from emotional_dan_ros.nodes.bus import LocalBus
from emotional_dan_ros.nodes.emotion_recognizer import EmotionRecognizerNode
from emotional_dan_ros.nodes.face_detector import FaceDetectorNode
from emotional_dan_ros.nodes.overlay import OverlayNode
from emotional_dan_ros.nodes.parameter_tables import NODES, table
from emotional_dan_ros.nodes.run import leave, run
from emotional_dan_ros.nodes.standards_bridge import StandardsBridgeNode
from emotional_dan_ros.nodes.video_source import VideoSourceNode


def make_nodes(bus: LocalBus, options: argparse.Namespace) -> list[PipelineNode]:
    """Create the nodes in the order of the data."""
    wanted: list[Callable[..., PipelineNode]] = [FaceDetectorNode, EmotionRecognizerNode]
    if options.anomaly_monitor:
        wanted.append(AnomalyMonitorNode)
    if options.overlay:
        wanted.append(OverlayNode)
    if options.standards_bridge:
        wanted.append(StandardsBridgeNode)
    # `-p NAME:=VALUE` and `/**:` in a file reach every node of the process.
    parameters = frozenset(param.name for node in NODES for param in table(node))
    nodes = [node(bus=bus, known_elsewhere=parameters) for node in wanted]
    # Faces found while the recogniser is at work would wait for it, or give way to newer ones. Looked for when it is
    # ready, they are of the newest image, and the two do not fight for the processor.
    nodes[0].give_way_to(nodes[1])
    if options.video_source:
        nodes.insert(0, VideoSourceNode(bus=bus, known_elsewhere=parameters))
    return nodes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which nodes take part."""
    parser.add_argument("--video-source", action="store_true", help="with video_source, in place of a camera")
    parser.add_argument("--no-anomaly-monitor", dest="anomaly_monitor", action="store_false", help="no anomaly_monitor")
    parser.add_argument("--standards-bridge", action="store_true", help="with standards_bridge")
    parser.add_argument("--no-overlay", dest="overlay", action="store_false", help="no overlay")


def main(args: list[str] | None = None) -> int:
    """Run all nodes until they are told to stop."""
    return run("cabin", make_nodes, args, add_arguments)


if __name__ == "__main__":
    leave(main())
