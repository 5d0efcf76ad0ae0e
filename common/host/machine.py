"""The machine we run on, as records keep it."""

import os
import platform
import re
import subprocess
from pathlib import Path

from common.host.cpu import CGROUP_ROOT
from common.project import ROOT
from common.records.run import Machine


def machine(docker: str | None = None) -> Machine:
    """This machine; ``docker`` says which engine was used."""
    return Machine(
        cpu_model=_cpu_model(Path("/proc/cpuinfo").read_text()),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        cgroup_version=2 if (CGROUP_ROOT / "cgroup.controllers").exists() else 1,
        python=platform.python_version(),
        architecture=platform.machine(),
        docker=docker,
        governor=_governor(),
    )


def revision(digits: int = 12) -> str | None:
    """The project's commit, ``+dirty`` where files differ from it; ``None`` outside a git checkout."""
    try:
        commit = _git("rev-parse", f"--short={digits}", "HEAD")
        return f"{commit}+dirty" if _git("status", "--porcelain") else commit
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _cpu_model(cpuinfo: str) -> str:
    found = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1] if found else platform.machine()


def _governor(file: Path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:
        return None
