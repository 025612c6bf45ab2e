"""Where values enter and leave a node: over ROS, or by the bus of the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.nodes.bus import LocalBus
from emotional_dan_ros.nodes.topics import Topic

T = TypeVar("T")

_OVERRIDABLE = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)


class OutputPort(Generic[T]):
    """Publishes values of one topic.

    Listeners in the process get the object; a message is made only where a subscription asks for it, or
    where late joiners may want it (a latched topic).
    """

    def __init__(self, node: Node, topic: Topic[T], bus: LocalBus) -> None:
        self.topic = topic
        self._bus = bus
        self._node = node
        self._qos = topic.qos()
        self._publisher: Publisher = node.create_publisher(
            topic.message, topic.name, self._qos, qos_overriding_options=QoSOverridingOptions(_OVERRIDABLE)
        )
        self.name: str = self._publisher.topic_name
        bus.add_writer(self.name)

    @property
    def num_subscribers(self) -> int:
        """Listeners in the process and ROS subscriptions together."""
        return self._bus.num_listeners(self.name) + self._publisher.get_subscription_count()

    def publish(self, value: T) -> None:
        """Hand a value to everybody who wants it; thread safe."""
        self._bus.publish(self.name, value)
        if self.topic.latched or self._publisher.get_subscription_count():
            self._publisher.publish(self.topic.to_message(value))

    def mismatches(self) -> list[str]:
        """Subscriptions that hear nothing because their quality of service asks for more; one line each."""
        return [
            f"{_who(info)} subscribes to {self.name} but hears nothing: {reason}; change that side, or here the "
            f"parameters qos_overrides.{self.name}.publisher.*"
            for info in self._node.get_subscriptions_info_by_topic(self.name)
            if (reason := _incompatible(self._qos, info.qos_profile))
        ]

    def close(self) -> None:
        """Take the publisher back."""
        self._bus.remove_writer(self.name)
        self._node.destroy_publisher(self._publisher)


class InputPort(Generic[T]):
    """Receives values of one topic.

    Where a node of the process publishes the topic, values come by the bus. Otherwise there is a ROS
    subscription, and what it receives is also put on the bus, so that a second node of the process that
    wants the topic (the overlay wants the camera image) neither receives nor decodes it again.

    Args:
        node: that subscribes.
        topic: what is received.
        name: of the topic, before remapping.
        qos: of the subscription.
        bus: of the process.
        receive: gets every value.
        refuse: gets told of a message that makes no value.
    """

    def __init__(
        self,
        node: Node,
        topic: Topic[T],
        name: str,
        qos: QoSProfile,
        bus: LocalBus,
        receive: Callable[[T], None],
        refuse: Callable[[UserError], None],
    ) -> None:
        self.topic = topic
        self.qos = qos
        self._bus = bus
        self._node = node
        self._receive = receive
        self._refuse = refuse
        self._subscription: Subscription | None = None
        self.name = node.resolve_topic_name(name)
        if bus.has_writer(self.name):
            bus.listen(self.name, receive)
        else:
            self._subscription = node.create_subscription(
                topic.message,
                self.name,
                self._on_message,
                qos,
                qos_overriding_options=QoSOverridingOptions(_OVERRIDABLE),
            )
            bus.add_writer(self.name)

    @property
    def is_local(self) -> bool:
        """Whether values come by the bus."""
        return self._subscription is None

    def _on_message(self, message: Any) -> None:
        try:
            value = self.topic.from_message(message)
        except UserError as error:
            self._refuse(error)
            return
        self._receive(value)
        self._bus.publish(self.name, value)

    def publishers(self) -> list[TopicEndpointInfo]:
        """Who publishes the topic over ROS."""
        return self._node.get_publishers_info_by_topic(self.name)

    def has_publisher(self) -> bool:
        """Whether anybody publishes the topic, in this process or over ROS."""
        return self.is_local or self._node.count_publishers(self.name) > 0

    def mismatches(self) -> list[str]:
        """Publishers that are not heard because of their type or quality of service; one line each."""
        if self.is_local:
            return []
        lines = []
        for info in self.publishers():
            if info.topic_type != self.topic.type_name:
                lines.append(
                    f"{_who(info)} publishes {info.topic_type} on {self.name}, expected {self.topic.type_name}; check "
                    "the remapping and image_transport"
                )
            elif reason := _incompatible(info.qos_profile, self.qos):
                lines.append(
                    f"{_who(info)} publishes {self.name} with a QoS that is not heard here: {reason}; set "
                    f"reliability to best_effort, or qos_overrides.{self.name}.subscription.* to what it offers"
                )
        return lines

    def close(self) -> None:
        """Take the subscription back."""
        if self._subscription is None:
            self._bus.forget(self.name, self._receive)
        else:
            self._bus.remove_writer(self.name)
            self._node.destroy_subscription(self._subscription)


def _who(info: TopicEndpointInfo) -> str:
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def _incompatible(offered: QoSProfile, requested: QoSProfile) -> str:
    """Why a subscription does not hear a publisher; empty where it does.

    Only reliability and durability: nothing here asks for deadlines or liveliness, and rclpy's own check
    takes the "infinite" of a discovered endpoint for a demand.
    """
    best_effort, volatile = ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE
    if offered.reliability == best_effort and requested.reliability == ReliabilityPolicy.RELIABLE:
        return "best_effort is offered, reliable is asked for"
    if offered.durability == volatile and requested.durability == DurabilityPolicy.TRANSIENT_LOCAL:
        return "volatile is offered, transient_local is asked for"
    return ""
