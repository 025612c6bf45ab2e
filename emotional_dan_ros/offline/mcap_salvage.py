"""Read what can be read of an MCAP file that ends too early or is damaged.

A recorder that was killed leaves no index and no footer, so the file is read from its beginning, record by
record, up to the first that is not whole. Layout of the file: https://mcap.dev/spec.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
_RECORD_HEAD = struct.Struct("<BQ")
_MESSAGE_HEAD = struct.Struct("<HIQQ")
_CHUNK_HEAD = struct.Struct("<QQQI")
#: A length beyond this is damage, not data.
_MAX_RECORD_BYTES = 1 << 32


@dataclass(frozen=True, slots=True)
class SalvagedMessage:
    """One message: the file's words for topic and type, time of recording in ns, CDR bytes."""

    topic: str
    type_name: str
    time_ns: int
    data: bytes


class _CutError(Exception):
    """From here on the file cannot be read."""


def salvage(path: Path, damages: list[str]) -> Iterator[SalvagedMessage]:
    """Yield every message that is whole, in the order of the file.

    Args:
        path: of the file.
        damages: gets a line with the byte number for everything that could not be read.
    """
    schemas: dict[int, str] = {}
    channels: dict[int, tuple[str, str]] = {}
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            damages.append("byte 0: this is no MCAP file")
            return
        while True:
            offset = file.tell()
            try:
                record = _read_record(file)
            except _CutError as error:
                damages.append(f"byte {offset}: {error}")
                return
            if record is None or record[0] == _DATA_END:
                return
            try:
                yield from _messages_of(*record, schemas, channels)
            except (ValueError, struct.error, KeyError, EOFError) as error:
                # The record's length is intact, so what follows it can be read.
                damages.append(f"byte {offset}: {error}")


def _messages_of(
    opcode: int, content: bytes, schemas: dict[int, str], channels: dict[int, tuple[str, str]]
) -> Iterator[SalvagedMessage]:
    if opcode == _CHUNK:
        for inner_opcode, inner in _records_of(_unpacked(content)):
            yield from _interpret(inner_opcode, inner, schemas, channels)
    else:
        yield from _interpret(opcode, content, schemas, channels)


def _read_record(file: BinaryIO) -> tuple[int, bytes] | None:
    """The next record, None at the end mark."""
    head = file.read(_RECORD_HEAD.size)
    if head[: len(MAGIC)] == MAGIC:
        return None
    if len(head) < _RECORD_HEAD.size:
        raise _CutError("the file ends without its end mark")
    opcode, length = _RECORD_HEAD.unpack(head)
    if length > _MAX_RECORD_BYTES:
        raise _CutError(f"a record claims to have {length} bytes")
    content = file.read(length)
    if len(content) < length:
        raise _CutError(f"the file ends {length - len(content)} bytes before the end of a record")
    return opcode, content


def _records_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        opcode, length = _RECORD_HEAD.unpack_from(data, position)
        position += _RECORD_HEAD.size
        if position + length > len(data):
            raise ValueError("a record within a chunk is cut short")
        yield opcode, data[position : position + length]
        position += length


def _unpacked(content: bytes) -> bytes:
    _, _, size, checksum = _CHUNK_HEAD.unpack_from(content)
    compression, position = _string(content, _CHUNK_HEAD.size)
    (length,) = struct.unpack_from("<Q", content, position)
    packed = content[position + 8 : position + 8 + length]
    if compression == "":
        data = packed
    elif compression == "zstd":
        data = _unpack_zstd(packed)
    elif compression == "lz4":
        import lz4.frame  # type: ignore[import-untyped]

        try:
            data = lz4.frame.decompress(packed)
        except RuntimeError as error:
            raise ValueError(f"a chunk cannot be unpacked: {error}") from error
    else:
        raise ValueError(f"chunks are compressed by {compression!r}, which is not known here")
    if len(data) != size or (checksum and zlib.crc32(data) != checksum):
        raise ValueError("a chunk does not match its checksum")
    return data


def _unpack_zstd(packed: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    try:
        return bytes(zstd.decompress(packed))
    except zstd.ZstdError as error:
        raise ValueError(f"a chunk cannot be unpacked: {error}") from error


def _interpret(
    opcode: int, content: bytes, schemas: dict[int, str], channels: dict[int, tuple[str, str]]
) -> Iterator[SalvagedMessage]:
    if opcode == _SCHEMA:
        (key,) = struct.unpack_from("<H", content)
        schemas[key], _ = _string(content, 2)
    elif opcode == _CHANNEL:
        key, schema = struct.unpack_from("<HH", content)
        topic, _ = _string(content, 4)
        channels[key] = (topic, schemas.get(schema, ""))
    elif opcode == _MESSAGE:
        channel, _, time_ns, _ = _MESSAGE_HEAD.unpack_from(content)
        topic, type_name = channels[channel]
        yield SalvagedMessage(topic, type_name, time_ns, content[_MESSAGE_HEAD.size :])


def _string(content: bytes, position: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<I", content, position)
    end = position + 4 + length
    if end > len(content):
        raise ValueError("a name is cut short")
    return content[position + 4 : end].decode("utf-8"), end
