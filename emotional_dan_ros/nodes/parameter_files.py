"""Writes what follows from the tables: config/<node>.yaml and the tables of docs/interfaces.md.

``python -m emotional_dan_ros.nodes.parameter_files [CHECKOUT]`` rewrites them; a test checks that they agree.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotional_dan_ros.nodes.parameter_tables import NODES, table
from emotional_dan_ros.nodes.parameters import Change, Param
from emotional_dan_ros.nodes.topics import INPUTS, OUTPUTS, Topic

_BEGIN, _END = "<!-- generated: begin -->", "<!-- generated: end -->"
_WIDTH = 110


def yaml_of(node: str) -> str:
    """The parameter file of a node: every parameter with its default, described."""
    lines = [
        f"# Parameters of {node} with their defaults. Written by emotional_dan_ros.nodes.parameter_files from",
        "# parameter_tables.py; copy it, change the copy and pass it with --params-file or params_file:=.",
        f"/**/{node}:",
        "  ros__parameters:",
    ]
    group = ""
    for param in sorted(table(node), key=lambda p: "." in p.name):  # groups must be contiguous, order is kept
        prefix, _, leaf = param.name.rpartition(".")
        if prefix != group:
            lines.append(f"    {prefix}:")
            group = prefix
        indent = "      " if prefix else "    "
        lines += [f"{indent}# {line}" for line in _wrap(_words(param), _WIDTH - len(indent))]
        lines.append(f"{indent}{leaf}: {_yaml_value(param.default)}")
    return "\n".join(lines) + "\n"


def interface_tables() -> str:
    """Topics and parameters of all nodes as Markdown."""
    parts = []
    for node in NODES:
        parts += [f"### {node}", "", "| topic | | type | QoS | |", "|---|---|---|---|---|"]
        parts += [_topic_row(topic, "in") for topic in INPUTS[node]]
        parts += [_topic_row(topic, "out") for topic in OUTPUTS[node]]
        parts += ["", "| parameter | type | default | allowed | set | |", "|---|---|---|---|---|---|"]
        parts += [_param_row(param) for param in table(node)]
        parts.append("")
    return "\n".join(parts)


def with_tables(page: str) -> str:
    """A page with what stands between its two marks replaced by `interface_tables`.

    Raises:
        ValueError: a mark is missing.
    """
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"expected the marks {_BEGIN} and {_END} in the page")
    return f"{before}{_BEGIN}\n\n{interface_tables()}\n{_END}{after}"


def _words(param: Param) -> str:
    allowed = " ".join(part for part in (param.range_text, param.unit) if part)
    when = "" if param.change is Change.LIVE else f" Set {param.change.value}."
    return param.description + (f" [{allowed}]" if allowed else "") + when


def _yaml_value(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_yaml_value(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    # Quoted, so that YAML never reads a name such as "off" as something else.
    return f'"{value}"' if isinstance(value, str) else str(value)


def _wrap(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return lines


def _topic_row(topic: Topic[Any], direction: str) -> str:
    qos = f"{'reliable' if topic.reliable else 'best effort'}, {'transient local, ' if topic.latched else ''}"
    return f"| `{topic.name}` | {direction} | {topic.type_name} | {qos}depth {topic.depth} | {topic.description} |"


def _param_row(param: Param) -> str:
    allowed = " ".join(part for part in (param.range_text, param.unit) if part)
    default = _yaml_value(param.default)
    return (
        f"| `{param.name}` | {param.type_name} | `{default}` | {allowed} | {param.change.value} | {param.description} |"
    )


def main(args: Sequence[str] | None = None) -> int:
    """Rewrite the files of a checkout."""
    arguments = sys.argv[1:] if args is None else list(args)
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2]
    for node in NODES:
        (root / "config" / f"{node}.yaml").write_text(yaml_of(node), encoding="utf-8")
    page = root / "docs" / "interfaces.md"
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
