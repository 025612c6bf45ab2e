"""Points the CMake files of the ROS 2 message wheels at this environment's own headers.

The exported targets name the include folders of the machine on which the wheels were built
(``/opt/python/cp3.../include/python3...`` and numpy's beside it), which CMake refuses as missing.
Mended files no longer match, so running this again changes nothing.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

import numpy as np

FOREIGN_PYTHON = re.compile(r'/opt/python/[^;"]*/include/python3\.\d+')
FOREIGN_NUMPY = re.compile(r'/opt/python/[^;"]*/numpy/(?:_core|core)/include')


def mend(text: str) -> str:
    """Return the text of an exported CMake file with the include folders of this environment."""
    text = FOREIGN_PYTHON.sub(sysconfig.get_path("include"), text)
    return FOREIGN_NUMPY.sub(np.get_include(), text)


def main() -> None:
    """Rewrite the exported files under the prefix of the running interpreter."""
    for file in Path(sys.prefix, "share").glob("*/cmake/export_*__rosidl_generator_pyExport.cmake"):
        text = file.read_text(encoding="utf-8")
        mended = mend(text)
        if mended != text:
            file.write_text(mended, encoding="utf-8")


if __name__ == "__main__":
    main()
