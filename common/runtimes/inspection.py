"""Finding out whether the GIL and the JIT are really on in the processes of a running server.

A free-threaded build switches the GIL on again for an extension module that does not declare itself safe without it,
and a build may lack the JIT that was asked for. From Python 3.14 on, ``sys.remote_exec`` lets a process run a script in
another of the same version: each of the server's processes writes its own state to a file as soon as it runs Python
code, such as that for a request.
"""

import re
import subprocess
from collections.abc import Sequence

import msgspec

from common.records.run import WorkerState

ASK = r"""
import json, os, shutil, sys, tempfile, time
folder = tempfile.mkdtemp(dir="/tmp")
os.chmod(folder, 0o777)
script = f"{folder}/state.py"
with open(script, "w") as file:
    file.write(f'''
import json as _json, os as _os, sys as _sys
_state = {{"gil": _sys._is_gil_enabled(), "jit": hasattr(_sys, "_jit") and _sys._jit.is_enabled()}}
_path = {folder!r} + f"/{{_os.getpid()}}"
with open(_path + ".part", "w") as _file:
    _json.dump(_state, _file)
_os.rename(_path + ".part", _path + ".json")
''')
os.chmod(script, 0o644)
pids, asked = sys.argv[1:] or [name for name in os.listdir("/proc") if name.isdigit()], 0
for pid in map(int, pids):
    try:
        if pid != os.getpid():
            sys.remote_exec(pid, script)
            asked += 1
    except (RuntimeError, OSError):  # not a Python process, or one that may not be asked
        pass
deadline = time.monotonic() + 5
said = []
while len(said) < asked and time.monotonic() < deadline:
    time.sleep(0.05)
    said = [name for name in os.listdir(folder) if name.endswith(".json")]
print(json.dumps([json.load(open(f"{folder}/{name}")) for name in sorted(said)]))
shutil.rmtree(folder)
"""
"""A program that asks the processes whose PIDs it is given, or all, and prints the states of those that replied."""

TIMEOUT_S = 30
_SWITCHED_ON = re.compile(r"\(GIL\) has been enabled to load module '([^']+)'")


def worker_states(python: Sequence[str], pids: Sequence[int] = ()) -> list[WorkerState]:
    """Return the states of a server's Python processes, of those that replied.

    ``python`` is the command line of the server's own Python, which must run where it sees the processes.
    """
    line = [*python, "-c", ASK, *map(str, pids)]
    try:
        done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=TIMEOUT_S)
        return msgspec.json.decode(done.stdout, type=list[WorkerState])
    except (OSError, subprocess.TimeoutExpired, msgspec.DecodeError):
        return []  # an older Python, or one that may not look into other processes


def modules_that_enable_the_gil(output: str) -> list[str]:
    """Return the extension modules for which the GIL was switched on, by the warnings in a server's output."""
    return list(dict.fromkeys(_SWITCHED_ON.findall(output)))
