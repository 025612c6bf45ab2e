"""The face detector and cameras as they are: encodings, stalls, QoS."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here: run in the environment of `make test`")
pytest.importorskip("emotional_dan_ros.msg", reason="the messages are not built: run `make test`")

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from emotional_dan_ros.msg import FaceArray
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image

from emotional_dan_ros.nodes.face_detector import FaceDetectorNode
from emotional_dan_ros.nodes.image_conversion import to_ns, to_time
from test.nodes.cameras import MS, START_NS, Camera, at, logged, picture, status_of


def test_stamp_frame_and_size_are_the_cameras(graph):
    camera = Camera(graph, graph.add(FaceDetectorNode))
    faces = camera.show(at(START_NS + 123))
    assert to_ns(faces.header.stamp) == START_NS + 123
    assert faces.header.frame_id == "cabin"
    assert (faces.image_height, faces.image_width) == picture().shape[:2]
    assert len(faces.faces) == 2
    for face in faces.faces:
        assert (face.crop.width, face.crop.height, face.crop.encoding) == (112, 112, "mono8")
        assert face.crop.header == faces.header
        assert face.roi.x_offset + face.roi.width <= faces.image_width


def test_no_face_is_an_ordinary_message(graph):
    camera = Camera(graph, graph.add(FaceDetectorNode))
    grey_wall = np.full((240, 320, 3), 128, np.uint8)
    assert camera.show(at(START_NS, grey_wall)).faces == []


def test_encodings_give_the_same_faces(graph):
    """What simulators and drivers publish: bgra8, rgb8, mono8 and JPEG show the same two faces."""
    camera = Camera(graph, graph.add(FaceDetectorNode))
    bgr = picture()
    expected = [f.roi for f in camera.show(at(START_NS)).faces]
    variants = {
        "rgb8": np.ascontiguousarray(bgr[..., ::-1]),
        "bgra8": np.dstack((bgr, np.full(bgr.shape[:2], 255, np.uint8))),
        "mono8": cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY),
    }
    for index, (encoding, pixels) in enumerate(variants.items(), start=1):
        message = Image(encoding=encoding, height=bgr.shape[0], width=bgr.shape[1], data=pixels.tobytes())
        message.step = pixels.nbytes // bgr.shape[0]
        message.header.stamp = to_time(START_NS + index * 40 * MS)
        found = [f.roi for f in camera.show(message).faces]
        assert len(found) == len(expected), encoding
        for one, other in zip(found, expected, strict=True):
            # Grey pictures move the corners a little.
            assert abs(one.x_offset - other.x_offset) < 0.15 * other.width, encoding
            assert abs(one.y_offset - other.y_offset) < 0.15 * other.height, encoding


def test_compressed_images(graph):
    node = graph.add(FaceDetectorNode, image_transport="compressed")
    camera = Camera(graph, node, CompressedImage, "image/compressed")
    message = CompressedImage(format="jpeg", data=cv2.imencode(".jpg", picture())[1].tobytes())
    message.header.stamp = to_time(START_NS)
    assert len(camera.show(message).faces) == 2


@pytest.mark.parametrize(("rotation", "mirrored", "turn"), [(180, False, cv2.ROTATE_180), (0, True, None)])
def test_turned_cameras_answer_in_pixels_of_their_own_picture(graph, rotation, mirrored, turn):
    seen = picture()[:, ::-1] if mirrored else cv2.rotate(picture(), turn)
    node = graph.add(FaceDetectorNode, rotation=rotation, mirrored=mirrored)
    camera = Camera(graph, node)
    turned = camera.show(at(START_NS, np.ascontiguousarray(seen)))
    assert len(turned.faces) == 2
    for face in turned.faces:
        # The crop is upright: warping the picture as it came with the affine that was sent gives the crop.
        affine = np.asarray(face.crop_from_source, np.float32).reshape(2, 3)
        grey = cv2.cvtColor(np.ascontiguousarray(seen), cv2.COLOR_BGR2GRAY)
        again = cv2.warpAffine(grey, affine, (112, 112), flags=cv2.INTER_LINEAR)
        crop = np.frombuffer(face.crop.data, np.uint8).reshape(112, 112)
        assert np.abs(again.astype(int) - crop).mean() < 12
        xs = np.asarray(face.keypoints[0::2])
        assert face.roi.x_offset - 5 < xs.mean() < face.roi.x_offset + face.roi.width + 5


def test_an_unsupported_encoding_is_told_once_and_the_next_image_is_taken(graph, monkeypatch):
    node = graph.add(FaceDetectorNode)
    lines = logged(node, monkeypatch)
    camera = Camera(graph, node)
    diagnostics = graph.hear(DiagnosticArray, "/diagnostics")
    depth = Image(encoding="32FC1", height=4, width=4, step=16, data=bytes(64))
    for index in range(3):
        depth.header.stamp = to_time(START_NS + index * MS)
        failed = node.health._errors
        camera.publisher.publish(depth)
        graph.wait_until(lambda failed=failed: node.health._errors > failed)
    status = status_of(diagnostics, lambda s: s.level == DiagnosticStatus.ERROR)
    assert "32FC1" in status.message
    assert "bgr8" in status.message
    assert len(camera.show(at(START_NS + 500 * MS)).faces) == 2
    assert len([line for line in lines if "32FC1" in line]) == 1
    diagnostics.clear()
    assert status_of(diagnostics, lambda s: "32FC1" not in s.message)


def test_a_stalled_camera_is_an_error_and_clears_by_itself(graph):
    node = graph.add(FaceDetectorNode, stall_timeout=0.5)
    diagnostics = graph.hear(DiagnosticArray, "/diagnostics")
    nobody = status_of(diagnostics, lambda s: "nobody publishes" in s.message)
    assert nobody.level == DiagnosticStatus.ERROR
    assert "/image" in nobody.message
    camera = Camera(graph, node)
    for index in range(100):
        camera.show(at(START_NS + index * 40 * MS))
        if any(m.status[0].level == DiagnosticStatus.OK for m in diagnostics):
            break
    diagnostics.wait_for_one(lambda m: m.status[0].level == DiagnosticStatus.OK)
    diagnostics.clear()
    stalled = status_of(diagnostics, lambda s: "nothing came on /image" in s.message)
    assert stalled.level == DiagnosticStatus.ERROR


def test_an_incompatible_publisher_is_named(graph):
    """A reliable subscription and a best-effort camera: nothing would ever come out."""
    graph.add(FaceDetectorNode, reliability="reliable")
    diagnostics = graph.hear(DiagnosticArray, "/diagnostics")
    graph.probe.create_publisher(Image, "image", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    status = status_of(diagnostics, lambda s: "/probe publishes /image" in s.message)
    assert status.level == DiagnosticStatus.ERROR
    assert "best_effort is offered, reliable is asked for" in status.message


def test_a_publisher_of_another_type_is_named(graph, other_graph):
    graph.add(FaceDetectorNode)
    diagnostics = graph.hear(DiagnosticArray, "/diagnostics")
    other_graph.probe.create_publisher(CompressedImage, "image", 1)
    status = status_of(diagnostics, lambda s: "/probe publishes sensor_msgs/msg/CompressedImage" in s.message)
    assert "image_transport" in status.message


def test_a_subscription_that_asks_for_too_much_is_named(graph):
    graph.add(FaceDetectorNode)
    diagnostics = graph.hear(DiagnosticArray, "/diagnostics")
    graph.hear(FaceArray, "faces", QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE))
    status = status_of(diagnostics, lambda s: "/probe subscribes to /faces" in s.message)
    assert status.level == DiagnosticStatus.ERROR


def test_two_namespaces_share_nothing(graph):
    left = graph.add(FaceDetectorNode, "-r", "__ns:=/left")
    right = graph.add(FaceDetectorNode, "-r", "__ns:=/right")
    heard = {side: graph.hear(FaceArray, f"/{side}/faces") for side in ("left", "right")}
    publisher = graph.probe.create_publisher(Image, "/left/image", qos_profile_sensor_data)
    graph.wait_until(lambda: left.is_active and right.is_active and publisher.get_subscription_count() == 1)
    graph.wait_until(lambda: left.outputs[0].num_subscribers == 1)
    publisher.publish(at(START_NS))
    assert heard["left"].wait_for(len)
    assert right.health._received == 0
    assert heard["right"] == []
