"""Changes to valid inputs, from a seed: of bytes, and of structures whose checksums then fit again."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

Mutate = Callable[[bytes, random.Random], bytes]

NUMBERS = (0, 1, 2, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)
TEXTS = (
    "",
    "\0",
    "\r",
    "\n",
    '"',
    ",",
    "é",
    "\ufeff",
    "\u2028",
    "a" * 3000,
    "(" * 500,
    "[" * 500,
    "-" * 500,
    "1_0",
    "∞",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0.5,
    1e308,
    float("nan"),
    float("inf"),
    10**400,
    [],
    {},
    [[]],
    [1, 2],
    {"a": 1},
    *NUMBERS,
    *TEXTS,
)


def of_bytes(data: bytes, draw: random.Random) -> bytes:
    """A few changes anywhere: flipped, overwritten, cut out, doubled, cut off."""
    out = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        if not out:
            break
        at = draw.randrange(len(out))
        kind = draw.randrange(6)
        if kind == 0:
            out[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            number = draw.choice(NUMBERS) & 0xFFFFFFFF
            out[at : at + 4] = struct.pack(draw.choice("<>") + "I", number)
        elif kind == 2:
            del out[at : at + draw.randrange(1, 40)]
        elif kind == 3:
            out[at:at] = out[at : at + draw.randrange(1, 200)]
        elif kind == 4:
            out[at:at] = draw.choice(TEXTS).encode()
        elif draw.random() < 0.3:
            del out[at:]
    return bytes(out)


def of_archive(data: bytes, draw: random.Random) -> bytes:
    """An npz whose members are changed inside, or exchanged, doubled or left out; its checksums fit."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    names = list(members)
    for _ in range(draw.choice((1, 1, 2))):
        name = draw.choice(names)
        members[name] = draw.choice((_header, of_bytes, _header))(members[name], draw)
    if draw.random() < 0.2:
        one, other = draw.choice(names), draw.choice(names)
        members[one], members[other] = members[other], members[one]
    if draw.random() < 0.1:
        members.pop(draw.choice(names))
    if draw.random() < 0.1:
        members[draw.choice(("classes.npy", "train_images.npy", "val_images.npy", "y.npy", "x"))] = members.get(
            names[-1], b""
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


SHAPES = (
    "()",
    "(0,)",
    "(3,)",
    "(20,)",
    "(20, 8, 8)",
    "(20, 64)",
    "(1280,)",
    "(10**9,)",
    "(-1, 8)",
    "(20, 0, 8)",
    "(2**40, 2**40)",
)
TYPES = (
    "|u1",
    "<i8",
    ">i2",
    "<u8",
    "<f4",
    "<f8",
    "<f2",
    "|b1",
    "<U1",
    "|S3",
    "|O",
    "<c16",
    "<M8[s]",
    "|V8",
    "<i99",
    "[('a', '<i4')]",
)


def _header(data: bytes, draw: random.Random) -> bytes:
    """An array whose header declares another shape, type or order."""
    size = struct.unpack("<H", data[8:10].ljust(2, b"\0"))[0]
    shape, kind = draw.choice(SHAPES), draw.choice(TYPES)
    quoted = kind if kind.startswith("[") else repr(kind)
    old = data[10 : 10 + size].decode("latin-1")
    changed = draw.choice(
        (
            f"{{'descr': {quoted}, 'fortran_order': False, 'shape': {shape}, }}",
            old.replace("False", draw.choice(("True", "0", "None"))),
            old.replace("(", draw.choice(("((", "[", "(9, "))),
            old.replace("'descr': '", "'descr': '" + draw.choice("<>|=0")),
        )
    ).strip()
    text = changed.encode("latin-1") + b" " * (63 - (len(changed) + 10) % 64) + b"\n"
    rest = data[10 + size :]
    if draw.random() < 0.5:  # as many bytes as any of the shapes needs
        rest = (rest * 9)[: draw.choice((0, 1, 3, 8, 20, 160, 1280, 2560, 10240))]
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + rest


def of_png(data: bytes, draw: random.Random) -> bytes:
    """Chunks changed, doubled, moved, left out or put in; their checksums fit."""
    chunks, at = [], 8
    while at + 8 <= len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    for _ in range(draw.choice((1, 2, 3))):
        i = draw.randrange(len(chunks))
        name, content = chunks[i]
        kind = draw.randrange(6)
        if kind == 0:
            chunks[i] = (name, of_bytes(content, draw))
        elif kind == 1:
            chunks.insert(i, chunks[draw.randrange(len(chunks))])
        elif kind == 2 and len(chunks) > 1:
            chunks.pop(i)
        elif kind == 3:
            extra = draw.choice(
                (b"zTXt", b"iTXt", b"tEXt", b"PLTE", b"tRNS", b"gAMA", b"iCCP", b"eXIf", b"acTL", b"fcTL")
            )
            chunks.insert(i, (extra, draw.choice((b"", b"a\0\0", bytes(9), b"a\0\0" + zlib.compress(bytes(9999))))))
        elif kind == 4 and name == b"IHDR":
            sides = [draw.choice((0, 1, 8, 300, 70_000, 2**31)) for _ in range(2)]
            tail = bytes(draw.choice((0, 1, 2, 3, 4, 6, 8, 16, 99)) for _ in range(5))
            chunks[i] = (name, struct.pack(">II", *sides) + tail)
    parts = (struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return data[:8] + b"".join(parts)


def of_json(data: bytes, draw: random.Random) -> bytes:
    """A document in which some values, keys or whole parts are others."""
    document = json.loads(data)
    for _ in range(draw.choice((1, 1, 2, 5))):
        document = _grafted(document, draw)
    return json.dumps(document).encode("utf-8", "surrogatepass")


def _grafted(node: Any, draw: random.Random) -> Any:
    if draw.random() < 0.25 or not isinstance(node, list | dict) or not node:
        return draw.choice(VALUES) if draw.random() < 0.8 else [node, node]
    if isinstance(node, list):
        i = draw.randrange(len(node))
        return [*node[:i], _grafted(node[i], draw), *node[i + draw.choice((0, 1, 1, 1)) :]]
    key = draw.choice(list(node))
    if draw.random() < 0.3:
        return {(draw.choice(TEXTS) if name == key else name): value for name, value in node.items()}
    return {**node, key: _grafted(node[key], draw)}


def of_csv(data: bytes, draw: random.Random) -> bytes:
    """Cells exchanged for others, rows and columns doubled or cut."""
    rows = [line.split(",") for line in data.decode().split("\n")]
    for _ in range(draw.choice((1, 1, 2, 5))):
        row = draw.choice(rows)
        i = draw.randrange(len(row))
        kind = draw.randrange(4)
        if kind == 0:
            row[i] = str(draw.choice(VALUES))
        elif kind == 1:
            row.insert(i, row[draw.randrange(len(row))])
        elif kind == 2 and len(row) > 1:
            row.pop(i)
        else:
            rows.insert(draw.randrange(len(rows)), list(draw.choice(rows)))
    return draw.choice(("\n", "\n", "\r\n", "\r")).join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")


def either(*mutators: Mutate) -> Mutate:
    """One of several."""
    return lambda data, draw: draw.choice(mutators)(data, draw)
