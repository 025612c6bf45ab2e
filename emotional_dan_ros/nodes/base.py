"""What all nodes share: lifecycle, parameters, one worker thread, diagnostics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from typing import Any, ClassVar, TypeVar

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.core.image_decoding import UnsupportedEncodingError
from emotional_dan_ros.nodes.bus import LocalBus
from emotional_dan_ros.nodes.health import ERROR, Health
from emotional_dan_ros.nodes.parameter_tables import table
from emotional_dan_ros.nodes.parameters import ParameterSet, Values
from emotional_dan_ros.nodes.ports import InputPort, OutputPort
from emotional_dan_ros.nodes.self_report import LOG_SILENCE_S, REPORT_PERIOD_S, SelfReport
from emotional_dan_ros.nodes.topics import Topic
from emotional_dan_ros.nodes.worker import Worker

T = TypeVar("T")

#: So many inputs in a row that cannot be worked on for a reason that is not the input's send the node to
#: its error state.
_MAX_FAILURES = 5


class PipelineNode(LifecycleNode):
    """A lifecycle node that works on its inputs in one thread.

    A subclass says in four methods what is its own: `set_up`, `begin`, `process`, `tear_down`. Each may
    raise UserError; then the transition fails, the node stays as it was, and the reason stands on
    /diagnostics until a transition succeeds.

    Args:
        name: of the node and of its table of parameters.
        bus: of the process; None where the node is alone.
        known_elsewhere: parameters of other nodes of the process; not a mistake when they are given for all.
        kwargs: as for rclpy.node.Node.

    Raises:
        UserError: a start-up parameter is not allowed.
    """

    #: How many inputs wait while the worker is busy; 1 is "newest wins".
    queue_depth: ClassVar[int] = 1

    def __init__(
        self, name: str, *, bus: LocalBus | None = None, known_elsewhere: Collection[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(name, **kwargs)
        self.bus = bus or LocalBus()
        self.health = Health()
        self.inputs: list[InputPort[Any]] = []
        self.outputs: list[OutputPort[Any]] = []
        self.finished: Callable[[], None] = lambda: None  # run.py ends the process by it
        self._failures = 0
        self._fault: str | None = None
        self.steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._worker: Worker[tuple[float, Any]] = Worker(
            self._work, self.queue_depth, self.health.dropped, self.get_name()
        )
        self.parameters = ParameterSet(self, table(name), self._is_configured, self.apply, known_elsewhere)
        self._self_report = SelfReport(self, name, self.health, lambda: self.state_label, self._look_after)
        self._self_report_timer = self.create_timer(REPORT_PERIOD_S, self._self_report.give, clock=self.steady_clock)

    # What a subclass says

    def set_up(self) -> None:
        """Load, allocate, warm up, open outputs (transition configure)."""

    def begin(self) -> None:
        """Open inputs (transition activate); the worker runs already."""

    def process(self, value: Any) -> None:
        """Work on one input, in the worker's thread."""

    def end(self) -> None:
        """Last words before work stops (transition deactivate); the worker has stopped, outputs are open."""

    def tear_down(self) -> None:
        """Let go of what `set_up` made (transition cleanup); outputs are closed after it."""

    def apply(self, values: Values, changed: frozenset[str]) -> None:
        """Take over changed parameters, in the executor's thread; raise UserError to refuse."""

    def check(self) -> None:
        """Look after problems once a second, while active."""

    # What a subclass uses

    def open_output(self, topic: Topic[T]) -> OutputPort[T]:
        """Open an output; closed by itself at cleanup."""
        port = OutputPort(self, topic, self.bus)
        self.outputs.append(port)
        return port

    def open_input(
        self, topic: Topic[T], receive: Callable[[T], None], name: str | None = None, qos: QoSProfile | None = None
    ) -> InputPort[T]:
        """Open an input; closed by itself at deactivation."""
        port = InputPort(self, topic, name or topic.name, qos or topic.qos(), self.bus, receive, self._refuse)
        self.inputs.append(port)
        return port

    def close_inputs(self) -> None:
        """Close all inputs."""
        while self.inputs:
            self.inputs.pop().close()

    def enqueue(self, value: Any) -> None:
        """Give the worker an input; thread safe."""
        now_s = time.monotonic()
        self.health.received(now_s)
        self._worker.put((now_s, value))

    def give_way_to(self, other: PipelineNode) -> None:
        """Begin no input while a node of the same process, which takes what this one makes, still has work."""
        self._worker.give_way_to(other._worker)

    def warn_once(self, key: str, level: bytes, text: str, silence_s: float = LOG_SILENCE_S) -> None:
        """Put a problem on /diagnostics and, when it was not said for `silence_s`, into the log."""
        self._self_report.warn(key, level, text, silence_s)

    def clear(self, key: str) -> None:
        """Take a problem back."""
        self.health.clear(key)

    def start(self) -> None:
        """Walk to active where the parameter autostart says so; to be called in the executor's thread."""
        if self.parameters["autostart"] and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def fail(self, reason: str) -> None:
        """Go to the error state and from there to unconfigured; from any thread."""
        self._fault = reason
        self.warn_once("state", ERROR, reason)
        if self.executor is None:
            self._to_error_state()
        else:
            self.executor.create_task(self._to_error_state)

    @property
    def state_label(self) -> str:
        """E.g. "active"."""
        return str(self._state_machine.current_state[1])

    @property
    def is_active(self) -> bool:
        """Whether the node works."""
        return self.state_label == "active"

    # Lifecycle

    def _LifecycleNodeMixin__change_state(self, transition_id: int) -> TransitionCallbackReturn:  # noqa: N802
        # rclpy raises out of its own service when a transition is asked for that the state does not allow, and
        # the node never answers again. This is the (private) method that service and trigger_* go through; a
        # wrong request gets its answer and nothing else happens.
        try:
            return super()._LifecycleNodeMixin__change_state(transition_id)  # type: ignore[misc]
        except Exception as error:
            self.get_logger().error(f"transition refused in state {self.state_label}: {' '.join(str(error).split())}")
            return TransitionCallbackReturn.FAILURE

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("configure", self.set_up, self._release)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        def activate() -> None:
            self._failures = 0
            self._worker.start()
            self.begin()

        return self._transition("activate", activate, self._halt)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self._fault is not None:
            return TransitionCallbackReturn.ERROR  # on_error does the work
        return self._transition("deactivate", self._halt, lambda: None)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("clean up", self._release, lambda: None)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        if state.label == "active":
            self._halt(drain=True)
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._fault = None
        self._halt()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def _transition(self, name: str, act: Callable[[], None], undo: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            act()
        except Exception as error:
            reason = str(error) if isinstance(error, UserError) else f"unexpected {type(error).__name__}: {error}"
            self.warn_once("state", ERROR, f"cannot {name}: {' '.join(reason.split())}")
            undo()
            return TransitionCallbackReturn.FAILURE
        self.health.clear("state")
        return TransitionCallbackReturn.SUCCESS

    def _to_error_state(self) -> None:
        if self.is_active:
            self.trigger_deactivate()

    def _halt(self, drain: bool = False) -> None:
        self.close_inputs()
        self._worker.stop(drain)
        self.end()
        for key in ("input", "loss", "stamps", "qos", "clock", "work"):
            self.health.clear(key)

    def _release(self) -> None:
        self.tear_down()
        while self.outputs:
            self.outputs.pop().close()

    def _look_after(self) -> None:
        if self.is_active:
            self._self_report.check_qos([*self.inputs, *self.outputs])
            self.check()

    def _is_configured(self) -> bool:
        return self.state_label != "unconfigured"

    # Work

    def _refuse(self, error: UserError) -> None:
        """An input that cannot be worked on through no fault of the node."""
        self.health.failed()
        once = isinstance(error, UnsupportedEncodingError)
        self.warn_once("work", ERROR, str(error), silence_s=math.inf if once else LOG_SILENCE_S)

    def _work(self, item: tuple[float, Any]) -> None:
        came_s, value = item
        try:
            self.process(value)
        except UserError as error:
            self._refuse(error)
        except Exception as error:
            self.health.failed()
            self._failures += 1
            text = f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
            self.warn_once("work", ERROR, text)
            if self._failures >= _MAX_FAILURES:
                self.fail(f"gave up after {self._failures} failures: {text}")
        else:
            self._failures = 0
            self.clear("work")
            now_s = time.monotonic()
            self.health.done(now_s, now_s - came_s)
