"""Runs a command to its end and writes its CPU time: ``python -P timed.py FILE COMMAND...``.

``FILE`` gets a JSON object: ``exit_status``, and ``cpu_s`` of the command and its descendants that were waited for.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path


def main(file: str, command: list[str]) -> int:
    """Run ``command`` and return its exit status."""
    status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    Path(file).write_text(json.dumps({"exit_status": status, "cpu_s": used.ru_utime + used.ru_stime}))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
