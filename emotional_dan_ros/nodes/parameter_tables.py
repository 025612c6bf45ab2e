"""The parameters of each node, in one place.

Defaults and descriptions of settings that belong to core come from core's configuration classes, so that
a default is written once. After a change here run ``python -m emotional_dan_ros.nodes.parameter_files``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from emotional_dan_ros.core.detector_config import DetectorConfig
from emotional_dan_ros.core.keyframes import DEFAULT_DETECTION_INTERVAL
from emotional_dan_ros.core.labels import DEFAULT_VALENCE_OF, EMOTION_NAMES, VALENCE_NAMES
from emotional_dan_ros.core.tracking import TrackerConfig
from emotional_dan_ros.nodes.config_parameters import params_of
from emotional_dan_ros.nodes.parameters import Change, Param

_COMMON = (
    Param(
        "autostart",
        True,
        "Configure and activate by itself at start; false where a lifecycle manager drives the node.",
        change=Change.START,
    ),
    Param(
        "stall_timeout",
        1.0,
        "Without input for this long the node says on /diagnostics that its input has stalled.",
        unit="s",
        minimum=0.1,
    ),
)

_IMAGE_INPUT = (
    Param(
        "image_transport",
        "raw",
        "How images come: raw is sensor_msgs/Image on `image`, compressed sensor_msgs/CompressedImage on "
        "`image/compressed`.",
        choices=("raw", "compressed"),
        change=Change.CONFIGURE,
    ),
    Param(
        "reliability",
        "best_effort",
        "Reliability of the image subscription; best_effort hears every camera, reliable loses no large image of a "
        "reliable camera.",
        choices=("best_effort", "reliable"),
        change=Change.CONFIGURE,
    ),
)


def _device(what: str) -> Param:
    return Param(
        "device",
        "auto",
        f"Where {what} computes: auto (CUDA where there is one), cpu, cuda or cuda:<index>.",
        change=Change.CONFIGURE,
    )


def _num_threads() -> Param:
    return Param(
        "num_threads",
        0,
        "CPU threads of PyTorch in this process; 0 leaves the choice to PyTorch.",
        minimum=0,
        maximum=1024,
        change=Change.CONFIGURE,
    )


VIDEO_SOURCE: tuple[Param, ...] = (
    _COMMON[0],
    Param(
        "source",
        "sample",
        "What to play: a video, an image, a folder of images, a camera index or device, a stream, or `sample`.",
        change=Change.CONFIGURE,
    ),
    Param("loop", False, "Start again at the end, with stamps that go on growing.", change=Change.CONFIGURE),
    Param(
        "speed",
        1.0,
        "How fast recorded input is played, as a multiple of its own rate; its stamps stay as they are.",
        minimum=0.01,
        maximum=100.0,
    ),
    Param(
        "folder_rate",
        10.0,
        "Images per second of a folder or a looped still.",
        unit="Hz",
        minimum=0.01,
        maximum=1000.0,
        change=Change.CONFIGURE,
    ),
    Param(
        "stamps",
        "clock",
        "First stamp of recorded input: clock is the node's clock at start, zero is 0.",
        choices=("clock", "zero"),
        change=Change.CONFIGURE,
    ),
    Param("frame_id", "camera", "The frame_id of the images.", change=Change.CONFIGURE),
    Param(
        "wait_for_subscribers",
        1,
        "Recorded input starts when so many subscriptions are there; 0 starts at once.",
        minimum=0,
        maximum=100,
        change=Change.CONFIGURE,
    ),
    Param(
        "wait_for_emotions",
        False,
        "Recorded input: publish each image only when the emotions of the one before have come on `emotions`, so that "
        "a slow graph misses none.",
        change=Change.CONFIGURE,
    ),
    Param("exit_at_end", False, "End the process at the end of the input.", change=Change.CONFIGURE),
)


FACE_DETECTOR: tuple[Param, ...] = (
    *_COMMON,
    *_IMAGE_INPUT,
    _device("the detector"),
    _num_threads(),
    Param(
        "max_rate",
        0.0,
        "Most images worked on per second of camera time; 0 takes as many as there are.",
        unit="Hz",
        minimum=0.0,
        maximum=1000.0,
    ),
    Param(
        "detection_interval",
        DEFAULT_DETECTION_INTERVAL,
        "From one search of the whole image to the next; between them known faces are followed, which costs a few "
        "percent of a search. 1 searches every image. A face that is lost is searched for at once, but one that "
        "comes into the picture is found so many images later at worst (and never more than half a second).",
        unit="images",
        minimum=1,
        maximum=1000,
        change=Change.CONFIGURE,
    ),
    Param(
        "rotation",
        0,
        "How far the camera's picture must be turned clockwise to be upright: 0, 90, 180 or 270. Results stay in "
        "pixels of the image as published.",
        unit="degrees",
        choices=(0, 90, 180, 270),
    ),
    Param("mirrored", False, "The camera's picture is mirrored left to right (judged once it is upright)."),
    *params_of(
        DetectorConfig,
        "detector.",
        min_face_px=(12, 10_000),
        max_search_edge_px=(12, 10_000),
        scale_step=(0.1, 0.95),
        thresholds=(0.0, 1.0),
        max_proposals=(1, 100_000),
    ),
    *params_of(TrackerConfig, "tracker.", instant_score=(0, 1), start_score=(0, 1), max_size_ratio=(1.0, None)),
)

EMOTION_RECOGNIZER: tuple[Param, ...] = (
    *_COMMON,
    Param(
        "weights",
        "rt",
        "Name of shipped weights or path of a .safetensors file with its model card beside it.",
        change=Change.CONFIGURE,
    ),
    _device("EmotionalDAN"),
    Param(
        "precision",
        "auto",
        "Precision of the convolutions: auto is bfloat16 on processors with instructions for it, float16 on GPUs and "
        "float32 elsewhere; float16 is for GPUs alone.",
        choices=("auto", "float32", "bfloat16", "float16"),
        change=Change.CONFIGURE,
    ),
    _num_threads(),
    Param(
        "valence",
        tuple(DEFAULT_VALENCE_OF[emotion].name.lower() for emotion in DEFAULT_VALENCE_OF),
        f"Where each emotion counts in the three-class problem, in the order {', '.join(EMOTION_NAMES)}.",
        choices=VALENCE_NAMES,
        length=len(EMOTION_NAMES),
        change=Change.CONFIGURE,
    ),
    Param(
        "prior_ratio",
        (1.0,) * len(EMOTION_NAMES),
        "How many times as often each emotion is expected as the weights expect it, in the order "
        f"{', '.join(EMOTION_NAMES)}: its probability is multiplied by this before all are made to sum to 1.",
        minimum=0.001,
        maximum=1000.0,
        length=len(EMOTION_NAMES),
    ),
    Param(
        "emotion_maps",
        False,
        "Offer where the network looked on `emotion_maps`, which the overlay then draws. Computed only while somebody "
        "subscribes, after the emotions were published; takes two to three times as long as recognition.",
        change=Change.CONFIGURE,
    ),
)


def _anomaly_monitor() -> tuple[Param, ...]:
    # Loads the monitor, which the processes of the other nodes do without.
    from emotional_dan_ros.core.anomaly.config import MonitorConfig

    calibration = Param(
        "calibration",
        "",
        "File of the calibration that thresholds follow from, for weights of your own; empty is the one that ships for "
        "the weights that the emotions come from (docs/monitor.md, 'Other weights').",
        change=Change.CONFIGURE,
    )
    return (*_COMMON, calibration, *params_of(MonitorConfig, max_passengers=(1, 10_000)))


OVERLAY: tuple[Param, ...] = (
    *_COMMON,
    *_IMAGE_INPUT,
    Param(
        "max_rate",
        0.0,
        "Most pictures drawn per second of camera time; 0 draws as many as there are.",
        unit="Hz",
        minimum=0.0,
        maximum=1000.0,
    ),
    Param(
        "wait_for_emotions",
        1.0,
        "A picture waits so long for the emotions of its stamp; after that it is published without any.",
        unit="s",
        minimum=0.05,
        maximum=60.0,
    ),
)

STANDARDS_BRIDGE: tuple[Param, ...] = (
    *_COMMON,
    Param(
        "vision_msgs",
        True,
        "Publish vision_msgs/Detection2DArray on faces/detections, where vision_msgs is installed.",
        change=Change.CONFIGURE,
    ),
    Param(
        "hri_msgs",
        True,
        "Publish ROS4HRI's /humans/faces/tracked and /humans/faces/<id>/{roi,cropped,aligned,landmarks,expression}, "
        "where hri_msgs is installed.",
        change=Change.CONFIGURE,
    ),
    Param(
        "hri_prefix",
        "/humans",
        "Where ROS4HRI's topics lie; another one for a second camera, because REP-155 has one list of faces.",
        change=Change.CONFIGURE,
    ),
)

_TABLES: dict[str, Callable[[], tuple[Param, ...]]] = {
    "video_source": lambda: VIDEO_SOURCE,
    "face_detector": lambda: FACE_DETECTOR,
    "emotion_recognizer": lambda: EMOTION_RECOGNIZER,
    "anomaly_monitor": _anomaly_monitor,
    "overlay": lambda: OVERLAY,
    "standards_bridge": lambda: STANDARDS_BRIDGE,
}
#: All nodes, in the order of the data.
NODES: tuple[str, ...] = tuple(_TABLES)


@cache
def table(node: str) -> tuple[Param, ...]:
    """The parameters of a node."""
    return _TABLES[node]()
