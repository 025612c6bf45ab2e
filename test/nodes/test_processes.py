"""The whole way as it is used: nodes in processes of their own over DDS, and composed in one process."""

from __future__ import annotations

import signal

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")
pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from emotional_dan_ros.msg import EmotionAnomaly, EmotionState, EmotionStateArray
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image

from emotional_dan_ros.core.sample import sample_frame
from emotional_dan_ros.core.shipped_weights import WEIGHTS_DIR
from emotional_dan_ros.nodes.image_conversion import to_array, to_image, to_ns
from test.nodes.conftest import TIMEOUT_S

NODES = ("face_detector", "emotion_recognizer", "anomaly_monitor", "overlay")
RELIABLE = QoSProfile(depth=1000)
LATCHED = QoSProfile(depth=50, durability=DurabilityPolicy.TRANSIENT_LOCAL)
NEGATIVE = {EmotionState.SADNESS, EmotionState.FEAR, EmotionState.DISGUST, EmotionState.ANGER}
#: A film of half a minute, on a machine that is busy with other things.
FILM_S = 180.0
#: Every picture is to arrive, however large it is and however busy the machine.
RELIABLY = (
    "--ros-args",
    "-p", "face_detector:qos_overrides./image.subscription.reliability:=reliable",
    "-p", "face_detector:qos_overrides./faces.publisher.reliability:=reliable",
    "-p", "emotion_recognizer:qos_overrides./faces.subscription.reliability:=reliable",
)  # fmt: skip
SAMPLE_START_NS = 2 * 10**12
LINK_TICK_S = 0.5
#: In face_then_no_face.mov, where neighbouring frames differ most (by eye and by their mean difference).
CUT_S = 2.43

needs_weights = pytest.mark.skipif(
    not (WEIGHTS_DIR / "rt.safetensors").is_file(), reason="no weights in emotional_dan_ros/weights"
)


def wait_until_active(graph, names=NODES) -> None:
    outputs = dict(zip(NODES, ("/faces", "/emotions", "/anomalies", "/overlay/image"), strict=True))

    def all_publish() -> bool:
        publishers = {name: graph.probe.get_publishers_info_by_topic(outputs[name]) for name in names}
        return all(any(info.node_name == name for info in infos) for name, infos in publishers.items())

    graph.wait_until(all_publish)


def is_at_work(status: DiagnosticStatus, name: str) -> bool:
    """Whether a status is the node's, without a problem, and of results that it gave."""
    return (
        status.name == f"{name}: {name}"
        and status.level == DiagnosticStatus.OK
        and any(value.key == "latency median (ms)" for value in status.values)
    )


@needs_weights
def test_separate_processes_on_the_built_in_sample(processes, graph):
    started = {name: processes.start(name) for name in NODES}
    wait_until_active(graph)
    emotions = graph.hear(EmotionStateArray, "emotions", RELIABLE)
    overlays = graph.hear(Image, "overlay/image")
    diagnostics = graph.hear(DiagnosticArray, "/diagnostics", RELIABLE)
    processes.start("video_source", "--ros-args", "-p", "loop:=true", "-p", "frame_id:=cabin_camera")
    frame = emotions.wait_for_one(lambda message: len(message.states) == 2)
    assert frame.header.frame_id == "cabin_camera"
    for state in frame.states:
        assert sum(state.probabilities) == pytest.approx(1.0, abs=1e-4)
        assert state.probabilities[state.emotion] == pytest.approx(state.confidence)
        assert 0.0 <= state.quality <= 1.0
        xs = state.landmarks[0::2]
        assert state.roi.x_offset - state.roi.width < xs.mean() < state.roi.x_offset + 2 * state.roi.width

    picture = overlays.wait_for(lambda heard: heard[0] if heard else None)
    assert picture.header.frame_id == "cabin_camera"
    assert to_array(picture).shape == (frame.image_height, frame.image_width, 3)
    drawn = overlays.wait_for_one(lambda m: any(m.header.stamp == e.header.stamp for e in emotions))
    assert to_ns(drawn.header.stamp) > 0

    for name in NODES:
        status = diagnostics.wait_for_one(lambda m, name=name: is_at_work(m.status[0], name)).status[0]
        values = {value.key: value.value for value in status.values}
        assert values["state"] == "active"
        assert {"rate (Hz)", "received", "dropped", "latency median (ms)"} <= set(values)

    # One node dies without a word; started again, it joins the graph that is running.
    started["emotion_recognizer"].send_signal(signal.SIGKILL)
    started["emotion_recognizer"].wait()
    assert all(started[name].poll() is None for name in NODES if name != "emotion_recognizer")
    diagnostics.clear()
    processes.start("emotion_recognizer")
    # It is up when it speaks for the first time; loading is over when it says that it is active.
    diagnostics.wait_for_one(lambda m: m.status[0].name.endswith("emotion_recognizer") and "active" in str(m))
    emotions.clear()
    emotions.wait_for_one(lambda message: len(message.states) == 2)


@needs_weights
def test_composed_gives_the_same_to_the_bit(processes, graph):
    """The same pictures, one by one, through processes and through one process."""
    results = {}
    for mode in ("separate", "composed"):
        names = ("face_detector", "emotion_recognizer") if mode == "separate" else ("cabin",)
        running = [processes.start(name, *RELIABLY) for name in names]
        wait_until_active(graph, ("face_detector", "emotion_recognizer"))
        emotions = graph.hear(EmotionStateArray, "emotions", RELIABLE)
        publisher = graph.probe.create_publisher(Image, "image", RELIABLE)
        wait_until_linked(publisher, emotions)
        results[mode] = []
        for message in sample_messages(5):
            publisher.publish(message)
            stamp = message.header.stamp
            results[mode].append(emotions.wait_for_one(lambda answer, stamp=stamp: answer.header.stamp == stamp))
        graph.probe.destroy_publisher(publisher)
        for process in running:
            process.send_signal(signal.SIGINT)
            assert process.wait(60.0) == 0, processes.log(process)
        graph.wait_until(lambda: not graph.probe.get_publishers_info_by_topic("/emotions"))
    assert [len(frame.states) for frame in results["separate"]] == [2] * 5
    assert results["composed"] == results["separate"]


def wait_until_linked(publisher, emotions) -> None:
    """Show empty pictures until one is answered.

    That two nodes know of each other cannot be seen from a third, and what is published before goes nowhere.
    """
    grey = np.full((360, 640, 3), 128, np.uint8)
    for index in range(int(TIMEOUT_S / LINK_TICK_S)):
        publisher.publish(to_image(grey, SAMPLE_START_NS - 10**12 + index * 100_000_000, "cabin"))
        if emotions.is_there(timeout_s=LINK_TICK_S):
            return
    raise AssertionError(f"no picture was answered in {TIMEOUT_S:g} s")


def sample_messages(count: int) -> list[Image]:
    return [to_image(sample_frame(i * 3), SAMPLE_START_NS + i * 100_000_000, "cabin") for i in range(count)]


def watch(processes, graph, video) -> tuple[list[EmotionStateArray], list[EmotionAnomaly]]:
    """Play a film to its end through the composed nodes; everything that was said."""
    emotions = graph.hear(EmotionStateArray, "emotions", RELIABLE)
    anomalies = graph.hear(EmotionAnomaly, "anomalies", LATCHED)
    process = processes.start(
        "cabin", "--video-source", "--no-overlay", "--ros-args",
        "-p", f"video_source:source:={video}", "-p", "video_source:stamps:=zero",
        "-p", "video_source:wait_for_subscribers:=2", "-p", "video_source:exit_at_end:=true",
    )  # fmt: skip
    # The first image waits for the detector inside and for this process outside.
    images = graph.hear(Image, "image")
    assert process.wait(FILM_S) == 0, processes.log(process)
    assert images
    return list(emotions), list(anomalies)


def seconds(message) -> float:
    return to_ns(message.header.stamp) / 1e9


@needs_weights
def test_sad_then_joy(processes, graph, media_dir):
    frames, anomalies = watch(processes, graph, media_dir / "sad_then_joy.mp4")
    end_s = seconds(frames[-1])
    first = [state for frame in frames if seconds(frame) < 8.0 for state in frame.states]
    last = [state for frame in frames if seconds(frame) > end_s - 8.0 for state in frame.states]
    assert len(first) > 8
    assert len(last) > 8
    # Frames are dropped here as a busy machine has it, and which ones is chance; 0.8 of all frames is asserted where
    # every frame is kept (test_whole_way.py).
    assert sum(state.emotion in NEGATIVE for state in first) >= 0.7 * len(first)
    assert sum(state.emotion == EmotionState.HAPPINESS for state in last) >= 0.9 * len(last)
    assert [event for event in anomalies if event.phase == EmotionAnomaly.START]
    ids = {phase: sorted(e.event_id for e in anomalies if e.phase == phase) for phase in (0, 2)}
    assert ids[EmotionAnomaly.START] == ids[EmotionAnomaly.END]


@needs_weights
def test_face_then_no_face(processes, graph, media_dir):
    frames, _ = watch(processes, graph, media_dir / "face_then_no_face.mov")
    last_face_s = max(seconds(frame) for frame in frames if frame.states)
    assert frames[0].states or frames[1].states
    assert last_face_s < CUT_S + 0.5
    assert seconds(frames[-1]) > CUT_S + 3.0


@needs_weights
def test_two_people_keep_their_ids(processes, graph, media_dir):
    frames, _ = watch(processes, graph, media_dir / "two_people_head_pose.mp4")
    counts: dict[int, int] = {}
    for frame in frames:
        for state in frame.states:
            counts[state.track_id] = counts.get(state.track_id, 0) + 1
    kept = sorted(counts.values(), reverse=True)[:2]
    assert len(kept) == 2
    assert min(kept) >= 0.9 * len(frames)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ros-args", "-p", "stall_timeout:=-1.0"], ["stall_timeout", "at least 0.1 s", "-1.0"]),
        (["--ros-args", "-p", "stall_timeout:=soon"], ["stall_timeout", "double", "soon"]),
        (["--ros-args", "--params-file", "/no/such/file.yaml"], ["/no/such/file.yaml"]),
        (["--nonsense"], ["--nonsense"]),
    ],
)
def test_start_up_nonsense_ends_with_words_and_a_code(processes, arguments, words):
    code, said = processes.run("anomaly_monitor", *arguments)
    assert code == 2
    assert all(word in said for word in words), said
    assert "Traceback" not in said


def test_a_second_interrupt_does_no_harm(processes, graph):
    """Ctrl-C under launch reaches a node twice: from the terminal and from launch."""
    process = processes.start("anomaly_monitor")
    wait_until_active(graph, ("anomaly_monitor",))
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    assert process.wait(60.0) == 0, processes.log(process)
    assert "Traceback" not in processes.log(process)


def test_help_names_topics_and_parameters(processes):
    code, said = processes.run("anomaly_monitor", "--help")
    assert code == 0
    for word in ("emotions", "anomalies", "emotional_dan_ros/msg/EmotionAnomaly", "baseline.slow_s", "stall_timeout"):
        assert word in said


def test_an_unknown_parameter_is_warned_about(processes, graph):
    process = processes.start("anomaly_monitor", "--ros-args", "-p", "stall_timout:=3.0")
    wait_until_active(graph, ("anomaly_monitor",))
    graph.wait_until(lambda: "unknown parameter 'stall_timout'" in processes.log(process))
    assert "did you mean 'stall_timeout'?" in processes.log(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30.0) == 0
