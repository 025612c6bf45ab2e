"""``emotional-dan``: one command with subcommands, each in a module of its own, imported when asked for."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from emotional_dan_ros.core.errors import UserError

#: Subcommand -> (module with add_arguments(parser) and run(args) -> exit code, what it does).
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("emotional_dan_ros.nodes.demo", "play a video, camera or the built-in sample through the ROS graph"),
    "process": (
        "emotional_dan_ros.offline.process",
        "process bags and videos without ROS: bag, table, timeline, video",
    ),
    "doctor": ("emotional_dan_ros.offline.doctor", "say what is installed, what works, and what to do about the rest"),
    "tune-monitor": ("emotional_dan_ros.offline.tune_monitor", "what monitor settings would raise on your recordings"),
    "watch": ("emotional_dan_ros.offline.watch", "look at a camera or video without ROS, in a window or a web page"),
    "train": ("emotional_dan_ros.training.train", "train EmotionalDAN from a configuration"),
    "evaluate": ("emotional_dan_ros.training.evaluate", "measure weights on labelled faces"),
    "annotate": ("emotional_dan_ros.training.annotate", "write landmarks for a source that has none"),
    "convert": ("emotional_dan_ros.training.convert", "turn a checkpoint of the published code into weights"),
    "export": ("emotional_dan_ros.training.export", "write weights as ONNX, torch.export or TorchScript"),
    "explain": ("emotional_dan_ros.training.explain", "show where the network looks when it names an emotion"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; exit code 0 when it succeeded, 1 after a user error, 2 after wrong usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="emotional-dan", description="Emotions of passengers with EmotionalDAN.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = next((a for a in arguments if not a.startswith("-")), None)
    for name, (module_name, summary) in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == asked:
            # Only the asked module is imported: torch alone takes seconds.
            module = importlib.import_module(module_name)
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        return int(args.run(args))
    except UserError as error:
        print(f"emotional-dan: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        # A folder that cannot be written, a full disk: the file and the reason say what to do.
        print(f"emotional-dan: {error.filename or 'file'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("emotional-dan: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
