"""uv, run with the package indexes that this site has configured."""

import subprocess
import sys

from common.errors import FailedError
from common.packages.indexes import uv_environment

ERROR_LINES = 8


def run_uv(*arguments: str, given: str = "", what: str, holding: tuple[int, ...] = (), local: bool = True) -> None:
    """Run uv with the site's package indexes; ``FailedError`` with the end of its output if it fails.

    Without ``local``, the indexes that are files of this machine are left out. uv keeps the file descriptors
    ``holding`` open, so that a lock on them outlives a killed caller as long as uv does.
    """
    done = subprocess.run(
        [sys.executable, "-m", "uv", *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        env=uv_environment(local=local),
        pass_fds=holding,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stderr.strip().splitlines()[-ERROR_LINES:])
        raise FailedError(
            f"{what} could not be made: uv ended with {done.returncode}.\n{tail}\n"
            "If no package index was reached, set one in pip's configuration or in UV_DEFAULT_INDEX."
        )
