"""The code of functions, unpacked once.

The emulator unpacks a function's archive for every worker that it starts, thousands of files which each worker then
compiles anew. Here workers of the same code share one folder.
"""

import hashlib
import os
import tempfile
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack.core import lambda_runtime

from local.patching import replace

_lock = threading.Lock()


class Shared(zipfile.ZipFile):
    """An archive that is unpacked once for all who ask."""

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
        """Turn the folder, an empty one, into a link to what the archive holds; the archive itself is done with."""
        listed = repr([(each.filename, each.CRC) for each in self.infolist()])
        once = Path(tempfile.gettempdir()) / f"code-{hashlib.sha256(listed.encode()).hexdigest()[:16]}"
        with _lock:
            if not once.exists():
                part = once.with_suffix(".part")
                super().extractall(part, members, pwd)
                part.rename(once)
        Path(path).rmdir()
        Path(path).symlink_to(once)
        os.unlink(str(self.filename))


def install() -> None:
    """Let workers share what they unpack."""
    replace(lambda_runtime, "zipfile", SimpleNamespace(**{**vars(zipfile), "ZipFile": Shared}))
