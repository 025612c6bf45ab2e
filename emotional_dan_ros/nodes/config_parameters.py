"""Parameters of nodes from core's configuration classes: names, defaults, units and words are written once, there."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from inspect import cleandoc
from typing import Any

from emotional_dan_ros.core.labels import EMOTION_NAMES
from emotional_dan_ros.nodes.parameters import Param


def params_of(config_class: Any, prefix: str = "", **bounds: tuple[float | None, float | None]) -> tuple[Param, ...]:
    """One parameter for each field of a configuration class; a class inside it becomes a group.

    Args:
        config_class: a dataclass with defaults, whose docstring describes every attribute.
        prefix: of the names, with its dot.
        bounds: lowest and highest value of a field, None where there is none; fields whose names end in a unit are
            not negative unless said otherwise.
    """
    words = described_attributes(config_class)
    result: list[Param] = []
    for entry in fields(config_class):
        default = getattr(config_class(), entry.name)
        if is_dataclass(default):
            result += params_of(type(default), f"{prefix}{entry.name}.")
            continue
        low, high = bounds.get(entry.name, (0.0, None) if _unit_of(entry.name) else (None, None))
        result.append(
            Param(
                prefix + entry.name,
                default,
                words[entry.name],
                unit=_unit_of(entry.name),
                minimum=low,
                maximum=high,
                choices=EMOTION_NAMES if entry.name == "emotions" else (),
            )
        )
    return tuple(result)


def described_attributes(config_class: type) -> dict[str, str]:
    """Read the ``Attributes:`` section of a docstring: name to one line of text."""
    section = cleandoc(config_class.__doc__ or "").partition("Attributes:\n")[2].split("\n\n")[0]
    entries = re.split(r"^ {4}(\w+): ", section, flags=re.MULTILINE)[1:]
    return {name: _sentence(text) for name, text in zip(entries[::2], entries[1::2], strict=True)}


def _sentence(text: str) -> str:
    line = " ".join(text.split()).replace("``", "`").replace("...", "").strip(" .;")
    return line[:1].upper() + line[1:] + "."


def _unit_of(name: str) -> str:
    for suffix, unit in (("_per_s", "1/s"), ("_s", "s"), ("_px", "px"), ("_per_hour", "1/h")):
        if name.endswith(suffix):
            return unit
    return ""
