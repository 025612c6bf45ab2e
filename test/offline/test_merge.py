"""Topics of an input bag beside the results, bytes as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg

from emotional_dan_ros.core.types import FrameEmotions
from emotional_dan_ros.offline.bag_messages import typestore
from emotional_dan_ros.offline.mcap_writer import ResultBag
from emotional_dan_ros.offline.merge import MergedTopics


@pytest.mark.parametrize(
    ("plugin", "name"),
    [(StoragePlugin.MCAP, "in"), (StoragePlugin.MCAP, "in/in.mcap"), (StoragePlugin.SQLITE3, "in")],
)
def test_messages_of_known_and_foreign_types_are_copied(
    tmp_path: Path, plugin: StoragePlugin, name: str, make_emotions: Callable[..., FrameEmotions]
) -> None:
    store = typestore().__class__()
    store.register({**typestore().fielddefs, **get_types_from_msg("int32 answer", "their_msgs/msg/Answer")})
    with Writer(tmp_path / "in", version=9, storage_plugin=plugin) as writer:
        text = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        answer = writer.add_connection("/answer", "their_msgs/msg/Answer", typestore=store)
        clash = writer.add_connection("/emotions", "std_msgs/msg/String", typestore=store)
        for index in range(5):
            hello = store.serialize_cdr(store.types["std_msgs/msg/String"](data=f"{index}"), "std_msgs/msg/String")
            number = store.serialize_cdr(store.types["their_msgs/msg/Answer"](answer=index), "their_msgs/msg/Answer")
            writer.write(text, index, hello)
            writer.write(answer, index, number)
            writer.write(clash, index, hello)
    merge = MergedTopics(tmp_path / name)
    with ResultBag(tmp_path / "out") as bag:
        bag.write_emotions(make_emotions(1.0, ()))
        merge(bag)
    assert len(merge.problems) == 1
    assert "/emotions is not merged" in merge.problems[0]
    with AnyReader([tmp_path / "out"]) as reader:
        found = {}
        for connection, time_ns, raw in reader.messages():
            found.setdefault(connection.topic, []).append((time_ns, reader.deserialize(raw, connection.msgtype)))
    assert [(time_ns, message.data) for time_ns, message in found["/chatter"]] == [(i, str(i)) for i in range(5)]
    assert [message.answer for _, message in found["/answer"]] == list(range(5))
    assert len(found["/emotions"]) == 1


def test_a_damaged_bag_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.mcap"
    path.write_bytes(b"\x89MCAP0\r\n")
    merge = MergedTopics(path)
    with ResultBag(tmp_path / "out") as bag:
        merge(bag)
    assert "up to the damage" in merge.problems[0]
