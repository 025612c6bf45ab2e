"""Writes config/policies.xml: what each node may do under SROS2, from the topics it declares.

``python -m emotional_dan_ros.nodes.policy_file [CHECKOUT]`` rewrites the file; tests check that it agrees with the
declared topics and with what running nodes really open.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from emotional_dan_ros.nodes.parameter_tables import NODES
from emotional_dan_ros.nodes.topics import INPUTS, OUTPUTS

#: What every node publishes and subscribes to besides its own topics.
PUBLISHED_BY_ALL = ("/diagnostics", "/parameter_events", "/rosout", "~/transition_event")
SUBSCRIBED_BY_ALL = ("/clock", "/parameter_events")
#: Services of every lifecycle node with parameters.
SERVICES = tuple(
    f"~/{name}"
    for name in (
        "change_state",
        "describe_parameters",
        "get_available_states",
        "get_available_transitions",
        "get_parameter_types",
        "get_parameters",
        "get_state",
        "get_transition_graph",
        "get_type_description",
        "list_parameters",
        "set_parameters",
        "set_parameters_atomically",
    )
)
#: Services of single nodes.
MORE_SERVICES = {"anomaly_monitor": ("~/reset",)}
#: Topics that are not declared in topics.py.
MORE_PUBLISHED = {"standards_bridge": ("faces/detections", "/humans/faces/*")}
ENCLAVES = "/emotional_dan_ros"


def policy_xml(namespace: str = "/") -> str:
    """The policy of all nodes, one enclave for each, for nodes of a namespace."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<!-- Written by emotional_dan_ros.nodes.policy_file; how to use it: docs/security.md. -->",
        '<policy version="0.2.0">',
        "  <enclaves>",
    ]
    for node in NODES:
        lines += [
            f'    <enclave path="{ENCLAVES}/{node}">',
            "      <profiles>",
            f'        <profile ns="{namespace}" node="{node}">',
            *_group("services", "reply", "service", sorted((*SERVICES, *MORE_SERVICES.get(node, ())))),
            *_group("topics", "subscribe", "topic", (*(t.name for t in INPUTS[node]), *SUBSCRIBED_BY_ALL)),
            *_group("topics", "publish", "topic", _published(node)),
            "        </profile>",
            "      </profiles>",
            "    </enclave>",
        ]
    return "\n".join([*lines, "  </enclaves>", "</policy>", ""])


def _published(node: str) -> tuple[str, ...]:
    return (*(topic.name for topic in OUTPUTS[node]), *MORE_PUBLISHED.get(node, ()), *PUBLISHED_BY_ALL)


def _group(kind: str, access: str, element: str, names: Iterable[str]) -> list[str]:
    inner = [f"            <{element}>{name}</{element}>" for name in names]
    return [f'          <{kind} {access}="ALLOW">', *inner, f"          </{kind}>"]


def main(args: Sequence[str] | None = None) -> int:
    """Rewrite the file of a checkout."""
    arguments = sys.argv[1:] if args is None else list(args)
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2]
    (root / "config" / "policies.xml").write_text(policy_xml(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
