"""Running uv with the package indexes that are configured for pip."""

import subprocess
import sys

from common.errors import FailedError
from common.packages.indexes import uv_environment

ERROR_LINES = 8


def run_uv(*arguments: str, stdin: str = "", what: str, keep_open: tuple[int, ...] = (), local: bool = True) -> None:
    """Run uv; raise ``FailedError`` with the end of its output if it fails.

    ``what`` is the subject of the error message: what uv is to create. If ``local`` is false, indexes that are files of
    this machine are left out. uv inherits the file descriptors ``keep_open``: a lock on one of them is held for as long
    as uv runs, even if the caller is killed.
    """
    result = subprocess.run(
        [sys.executable, "-m", "uv", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=uv_environment(local=local),
        pass_fds=keep_open,
    )
    if result.returncode != 0:
        tail = "\n".join(result.stderr.strip().splitlines()[-ERROR_LINES:])
        raise FailedError(
            f"{what} could not be created: uv exited with status {result.returncode}. If it reached no package index, "
            f"set one in pip's configuration or in UV_DEFAULT_INDEX. The end of its output:\n{tail}"
        )
