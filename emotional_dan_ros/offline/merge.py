"""Copy the topics of an input bag beside the results."""

from __future__ import annotations

from pathlib import Path

from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinitionFormat
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from emotional_dan_ros.offline import bag_messages as messages
from emotional_dan_ros.offline.mcap_writer import ResultBag


def _definition_of(connection: Connection) -> tuple[str, str]:
    """Text and RIHS01 hash of a connection's type; empty where they are not known.

    The text lies in MCAP files; the hash in metadata.yaml of newer bags, and follows from the text.
    """
    definition, digest = connection.msgdef.data, connection.digest
    store = messages.typestore()
    if connection.msgtype in store.fielddefs:
        definition = definition or store.generate_msgdef(connection.msgtype, ros_version=2)[0]
        digest = digest or store.hash_rihs01(connection.msgtype)
    elif definition and not digest and connection.msgdef.format is MessageDefinitionFormat.MSG:
        own = get_typestore(Stores.ROS2_JAZZY)
        own.register(get_types_from_msg(definition, connection.msgtype))
        digest = own.hash_rihs01(connection.msgtype)
    return definition, digest


class MergedTopics:
    """Copies message by message, bytes as they are.

    Attributes:
        problems: what was not copied and why, one line each.

    Args:
        path: of the input bag.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems: list[str] = []

    def __call__(self, bag: ResultBag) -> None:
        """Copy into a bag that already holds the results."""
        self.problems.clear()
        try:
            with Reader(self._path) as reader:
                chosen = [connection for connection in reader.connections if self._open(bag, connection)]
                for connection, time_ns, data in reader.messages(chosen) if chosen else ():
                    bag.write_serialized(connection.topic, time_ns, bytes(data))
        except OSError:
            raise  # the disk of the results: the run ends and can be gone on with
        except Exception as error:  # whatever a damaged file makes the library raise
            self.problems.append(
                f"{self._path}: topics are merged up to the damage only: {' '.join(str(error).split())}"
            )

    def _open(self, bag: ResultBag, connection: Connection) -> bool:
        if connection.topic in bag.topics:
            self.problems.append(
                f"{self._path}: {connection.topic} is not merged: the results have a topic of this name"
            )
            return False
        definition, digest = _definition_of(connection)
        if not definition or not digest:
            self.problems.append(f"{self._path}: {connection.topic} is not merged: {connection.msgtype} is not defined")
            return False
        qos = connection.ext.offered_qos_profiles if isinstance(connection.ext, ConnectionExtRosbag2) else []
        bag.add_foreign(connection.topic, connection.msgtype, definition, digest, qos)
        return True
