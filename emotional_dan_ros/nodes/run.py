"""Run nodes in this process until a signal or their own end."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from emotional_dan_ros.core.errors import UserError
from emotional_dan_ros.nodes.base import PipelineNode
from emotional_dan_ros.nodes.bus import LocalBus
from emotional_dan_ros.nodes.parameter_tables import NODES, table
from emotional_dan_ros.nodes.topics import INPUTS, OUTPUTS

#: As argparse does for arguments it does not understand.
_USAGE_ERROR = 2
_BROKEN = 1


def run(
    name: str,
    make_nodes: Callable[[LocalBus, argparse.Namespace], Sequence[PipelineNode]],
    args: list[str] | None = None,
    add_arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
) -> int:
    """Create nodes, spin them, shut them down in order.

    Args:
        name: of the command.
        make_nodes: creates the nodes on the bus it is given, in the order of the data.
        args: command line without the program's name; None takes the process's own.
        add_arguments: declares what the command understands besides ROS arguments.

    Returns:
        Exit code: 0 after a signal or the end of the input, 2 where start-up arguments or parameters are
        not allowed (one line on stderr says which and what to do), 1 after an error in this package.
    """
    arguments = sys.argv[1:] if args is None else args
    try:
        own_arguments = remove_ros_args(["", *arguments])[1:]
    except Exception as error:  # reads parameter files as well, and has no public class for what is wrong with them
        return _refuse(name, error)
    options = _parse(name, own_arguments, add_arguments)
    # Our own handlers: rclpy's would close the context before the nodes can say that events end.
    stop = threading.Event()
    # They stay to the end of the process: Ctrl-C reaches it twice under launch, which passes the signal on.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    nodes: Sequence[PipelineNode] = ()
    try:
        rclpy.init(args=["", *arguments], signal_handler_options=SignalHandlerOptions.NO)
        nodes = make_nodes(LocalBus(), options)
        return _spin(nodes, stop)
    except UserError as error:
        return _refuse(name, error)
    except Exception as error:  # rclpy reports wrong arguments by several exceptions without a common base
        if nodes:
            raise
        return _refuse(name, error)
    finally:
        rclpy.try_shutdown()


def leave(code: int) -> NoReturn:
    """End the process, as the last thing its main does.

    Python would take PyTorch's modules apart one by one, which costs 0.6 s of CPU: on a busy machine enough for launch
    to lose patience after 5 s and to report a node that died.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _spin(nodes: Sequence[PipelineNode], stop: threading.Event) -> int:
    executor = SingleThreadedExecutor()
    for node in nodes:
        node.finished = stop.set
        executor.add_node(node)
    broken: list[Exception] = []
    thread = threading.Thread(target=_serve, args=(executor, stop, broken), name="executor", daemon=True)
    thread.start()
    # In the order of the data: a node listens to the bus only where somebody before it writes to it.
    executor.create_task(_start, nodes)
    stop.wait()
    executor.shutdown(timeout_sec=0.0)
    thread.join()
    for node in nodes:  # in the order of the data, so that the last results still find their reader
        if node.state_label != "finalized":
            node.trigger_shutdown()
        node.destroy_node()
    return _BROKEN if broken else 0


def _start(nodes: Sequence[PipelineNode]) -> None:
    # What is made now stays to the end of the process. Looking through it over and over for garbage takes a fifth of
    # the time that PyTorch needs to load, and would cost later images tenths of a second now and then.
    gc.disable()
    try:
        for node in nodes:
            node.start()
    finally:
        gc.freeze()
        gc.enable()


def _serve(executor: SingleThreadedExecutor, stop: threading.Event, broken: list[Exception]) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        pass
    except Exception as error:
        # rclpy does not call the callbacks of that group again: better to end, and be started again by launch.
        traceback.print_exc()
        broken.append(error)
    finally:
        stop.set()


def _parse(
    name: str, arguments: Sequence[str], add_arguments: Callable[[argparse.ArgumentParser], None]
) -> argparse.Namespace:
    """Answer --help, refuse what is understood neither here nor by ROS."""
    parser = argparse.ArgumentParser(
        prog=name,
        usage=f"{name} [options] [--ros-args -r FROM:=TO -p NAME:=VALUE --params-file FILE ...]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_help(name) if {"-h", "--help"} & set(arguments) else None,
    )
    add_arguments(parser)
    return parser.parse_args(arguments)


def _help(name: str) -> str:
    lines = []
    for node in [name] if name in NODES else NODES:
        lines += [f"{node}", "  subscribes to"]
        lines += [f"    {t.name} ({t.type_name})" for t in INPUTS[node]] or ["    nothing"]
        lines += ["  publishes"]
        lines += [f"    {t.name} ({t.type_name})" for t in OUTPUTS[node]] or ["    nothing"]
        lines += ["  parameters"]
        for param in table(node):
            bounds = f" [{param.range_text}{' ' + param.unit if param.unit else ''}]" if param.range_text else ""
            lines.append(f"    {param.name} ({param.type_name}, {param.default}){bounds}: {param.description}")
    return "\n".join(lines)


def _refuse(name: str, error: Exception) -> int:
    print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
    return _USAGE_ERROR
