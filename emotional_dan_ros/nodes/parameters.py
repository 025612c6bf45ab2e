"""Declared parameters: what one is, how a node holds them, when they may change.

The tables themselves are in parameter_tables.py; the files in config/ and the page in docs/ are
written from them by parameter_files.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from emotional_dan_ros.core.errors import UserError

Value = bool | int | float | str | tuple
Values = Mapping[str, Any]

#: Parameters that every ROS 2 node has without declaring them here.
_OF_EVERY_NODE = ("use_sim_time", "start_type_description_service", "qos_overrides.")


class Change(Enum):
    """When a parameter may be set."""

    LIVE = "at any time"
    CONFIGURE = "while unconfigured"
    START = "at start only"


@dataclass(frozen=True)
class Param:
    """One declared parameter.

    Attributes:
        name: with dots where it belongs to a group.
        default: its type is the parameter's type; lists are tuples and not empty.
        description: one sentence, without the unit.
        unit: "s", "px", ...; empty where there is none.
        minimum, maximum: inclusive bounds of a number, None where there is none.
        choices: the only values (or list items) allowed; empty where all are.
        length: how many items a list has, None where any number will do.
        change: when it may be set.
    """

    name: str
    default: Value
    description: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] | tuple[int, ...] = ()
    length: int | None = None
    change: Change = Change.LIVE

    @property
    def type_name(self) -> str:
        """Type as ROS 2 calls it, e.g. "double" or "string array"."""
        sample = self.default[0] if isinstance(self.default, tuple) else self.default
        name = {bool: "bool", int: "integer", float: "double", str: "string"}[type(sample)]
        return f"{name} array" if isinstance(self.default, tuple) else name

    @property
    def range_text(self) -> str:
        """Allowed values for people; empty where all are."""
        count = f"{self.length} values" if self.length is not None else ""
        return ", each ".join(part for part in (count, self._range_of_one) if part)

    @property
    def _range_of_one(self) -> str:
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        if self.minimum is not None and self.maximum is not None:
            return f"{self.minimum:g} to {self.maximum:g}"
        return f"at least {self.minimum:g}" if self.minimum is not None else ""

    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` shows. Bounds are checked by `check`, whose words say more."""
        result = ParameterDescriptor(
            description=self.description + (f" Unit: {self.unit}." if self.unit else ""),
            additional_constraints=f"{self.range_text + '; ' if self.range_text else ''}set {self.change.value}",
            read_only=self.change is Change.START,
        )
        if self.minimum is not None and isinstance(self.default, float):
            upper = math.inf if self.maximum is None else float(self.maximum)
            result.floating_point_range = [FloatingPointRange(from_value=float(self.minimum), to_value=upper)]
        elif self.minimum is not None and isinstance(self.default, int):
            upper = 2**63 - 1 if self.maximum is None else int(self.maximum)
            result.integer_range = [IntegerRange(from_value=int(self.minimum), to_value=upper)]
        return result

    def check(self, value: Any) -> None:
        """Refuse a value.

        Raises:
            UserError: not of this type, range or choice.
        """
        items = value if isinstance(self.default, tuple) else (value,)
        sample = self.default[0] if isinstance(self.default, tuple) else self.default
        what = f"expected parameter {self.name} as {self.type_name}"
        if self.range_text:
            what += f", {self.range_text}" + (f" {self.unit}" if self.unit else "")
        if isinstance(items, str) or not hasattr(items, "__len__") or any(type(i) is not type(sample) for i in items):
            raise UserError(f"{what}, got {value!r}")
        if self.length is not None and len(items) != self.length:
            raise UserError(f"{what}, got {len(items)}: {value!r}")
        for item in items:
            beyond = (self.minimum is not None and item < self.minimum) or (
                self.maximum is not None and item > self.maximum
            )
            strange = bool(self.choices) and item not in self.choices
            if beyond or strange or (isinstance(item, float) and not math.isfinite(item)):
                raise UserError(f"{what}, got {value!r}")


class ParameterSet:
    """The parameters of one node, declared, checked and kept.

    Args:
        node: the node that has them.
        table: what it has.
        is_configured: whether parameters that change only while unconfigured are locked now.
        apply: called with all values before a change is accepted and with the names that change; raises
            UserError to refuse it.
        known_elsewhere: names that are given to this node by the way and need no warning.

    Raises:
        UserError: a start-up value is not allowed.
    """

    def __init__(
        self,
        node: Node,
        table: Sequence[Param],
        is_configured: Callable[[], bool],
        apply: Callable[[Values, frozenset[str]], None],
        known_elsewhere: Collection[str] = (),
    ) -> None:
        self._node = node
        self._table = {param.name: param for param in table}
        self._is_configured = is_configured
        self._apply = apply
        self._values: dict[str, Any] = {}
        self._read_overrides(known_elsewhere)
        for param in table:
            self._values[param.name] = self._declare(param)
        node.add_on_set_parameters_callback(self._on_set)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    @property
    def values(self) -> Values:
        """All values by name."""
        return dict(self._values)

    def _read_overrides(self, known_elsewhere: Collection[str]) -> None:
        # rclpy offers no public look at the start-up values of parameters that are not declared, nor a way
        # to accept "1" for a double; without this private name both comforts are gone and nothing else.
        overrides: dict[str, Parameter] = getattr(self._node, "_parameter_overrides", {})
        for name, override in list(overrides.items()):
            param = self._table.get(name)
            if param is None and name not in known_elsewhere and not name.startswith(_OF_EVERY_NODE):
                similar = get_close_matches(name, self._table, n=1)
                self._node.get_logger().warning(
                    f"unknown parameter {name!r} is ignored" + (f"; did you mean {similar[0]!r}?" if similar else "")
                )
            elif param is not None and param.type_name == "double" and type(override.value) is int:
                overrides[name] = Parameter(name, Parameter.Type.DOUBLE, float(override.value))
            elif param is not None and param.type_name == "double array" and _are_ints(override.value):
                overrides[name] = Parameter(name, Parameter.Type.DOUBLE_ARRAY, [float(v) for v in override.value])

    def _declare(self, param: Param) -> Any:
        default = list(param.default) if isinstance(param.default, tuple) else param.default
        descriptor = param.descriptor()
        try:
            value = self._node.declare_parameter(param.name, default, descriptor).value
        except ParameterException:
            # Declared again without an override, only to have our own words for what is wrong with it.
            override = getattr(self._node, "_parameter_overrides", {}).get(param.name)
            param.check(_as_tuple(override.value if override is not None else None))
            raise
        param.check(_as_tuple(value))
        return _as_tuple(value)

    def _on_set(self, changes: Sequence[Parameter]) -> SetParametersResult:
        new = {change.name: _as_tuple(change.value) for change in changes if change.name in self._table}
        if not new:
            return SetParametersResult(successful=True)
        try:
            for name, value in new.items():
                param = self._table[name]
                param.check(value)
                if param.change is Change.CONFIGURE and self._is_configured() and value != self._values[name]:
                    raise UserError(
                        f"{name} is read when the node configures: deactivate and clean up first, then set it"
                    )
            self._apply({**self._values, **new}, frozenset(n for n, v in new.items() if v != self._values[n]))
        except UserError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._values.update(new)
        return SetParametersResult(successful=True)


def _as_tuple(value: Any) -> Any:
    return value if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__") else tuple(value)


def _are_ints(value: Any) -> bool:
    items = _as_tuple(value)
    return isinstance(items, tuple) and all(type(item) is int for item in items)
