"""A description of this machine and of this checkout, for records."""

import gzip
import os
import platform
import re
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from common.host.cores import online_cores, thread_siblings
from common.project import ROOT
from common.records.run import Machine

CPU_IDENTITY: Mapping[str, str] = {
    "vendor_id": "",
    "cpu family": "family",
    "model": "model",
    "stepping": "stepping",
    "CPU implementer": "implementer",
    "CPU variant": "variant",
    "CPU part": "part",
    "CPU revision": "revision",
}
"""The fields of ``/proc/cpuinfo`` that identify a processor on x86 and on Arm, and what a record calls them."""


def machine(docker: str | None = None, *, root: Path = Path("/"), kernel: str | None = None) -> Machine:
    """Describe this machine, whose ``/sys``, ``/proc`` and ``/boot`` are below ``root``.

    A virtual machine shows what its hypervisor lets it see, which may be less than the host has. ``docker`` is the
    version of the engine that was used, ``kernel`` the kernel's release, by default that of the running one.
    """
    kernel = kernel or platform.release()
    cpuinfo, cpus = _text(root / "proc/cpuinfo") or "", root / "sys/devices/system/cpu"
    cores = online_cores(cpus=cpus)
    pgo, lto = python_optimisations(sysconfig.get_config_vars())
    return Machine(
        cpu_model=_cpu_model(cpuinfo),
        cpu_identity=cpu_identity(cpuinfo),
        cores=len(cores),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=kernel,
        cgroup_version=2 if (root / "sys/fs/cgroup/cgroup.controllers").exists() else 1,
        python=platform.python_version(),
        architecture=platform.machine(),
        docker=docker,
        governor=_text(cpus / "cpu0/cpufreq/scaling_governor"),
        thread_siblings=_by_physical_core(cores, cpus),
        irq_time_accounting=_kernel_option("CONFIG_IRQ_TIME_ACCOUNTING", root, kernel),
        python_pgo=pgo,
        python_lto=lto,
    )


def python_optimisations(variables: Mapping[str, object]) -> tuple[bool | None, bool | None]:
    """Return whether a Python with these variables of ``sysconfig`` was built with PGO, and whether with LTO.

    Debian builds with both, without saying so to ``configure``, and strips all traces from the variables. That much can
    be seen, so the answer is ``None`` there.
    """
    arguments = str(variables.get("CONFIG_ARGS") or "")
    stripped = "-fprofile-use" not in str(variables.get("PGO_PROF_USE_FLAG") or "")
    pgo = "'--enable-optimizations" in arguments
    lto = re.search(r"'--with-lto(?!=no)", arguments) is not None
    return pgo or (None if stripped else False), lto or (None if stripped else False)


def revision(*paths: Path, digits: int = 12) -> str | None:
    """Return the checkout's commit, or the last one that changed ``paths``; ``None`` outside a git checkout.

    It ends in ``+dirty`` if files, or those at ``paths``, differ from it. Paths outside the checkout do not count.
    """
    within = [str(path) for path in paths if path.is_relative_to(ROOT)]
    try:
        commit = _git("log", "-1", f"--abbrev={digits}", "--format=%h", "--", *within).decode().strip()
        return f"{commit}+dirty" if _git("status", "--porcelain", "--", *within) else commit
    except (OSError, subprocess.CalledProcessError):
        return None


def file_at(commit: str, file: Path) -> bytes | None:
    """Return a file of this checkout as it was at a commit, which may end in ``+dirty``; ``None`` if unknown."""
    if (found := re.fullmatch(r"([0-9a-f]{7,40})(\+dirty)?", commit)) is None or not file.is_relative_to(ROOT):
        return None
    with suppress(OSError, subprocess.CalledProcessError):
        return _git("cat-file", "blob", f"{found[1]}:{file.relative_to(ROOT)}")
    return None


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def _cpu_model(cpuinfo: str) -> str:
    # x86 kernels write "model name"; some Arm kernels write "Model" or "Hardware", others nothing of the kind.
    match = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return match[1] if match else platform.machine()


def cpu_identity(cpuinfo: str) -> str | None:
    """Return what identifies the first core's processor, such as ``AuthenticAMD, family 26, model 2, stepping 1``."""
    first, _, _ = cpuinfo.partition("\n\n")
    fields = dict(re.findall(r"^(.+?)\s*: *(.+)$", first, re.MULTILINE))
    return ", ".join(f"{name} {fields[key]}".lstrip() for key, name in CPU_IDENTITY.items() if key in fields) or None


def _by_physical_core(cores: Sequence[int], cpus: Path) -> list[list[int]]:
    groups = thread_siblings(cores, cpus=cpus).values()
    return [list(group) for group in sorted({tuple(core for core in group if core in cores) for group in groups})]


def _kernel_option(name: str, root: Path, kernel: str) -> bool | None:
    """Return whether the kernel was built with an option; ``None`` if its configuration cannot be read."""
    configuration = _kernel_configuration(root, kernel)
    return None if configuration is None else f"{name}=y" in configuration.splitlines()


def _kernel_configuration(root: Path, kernel: str) -> str | None:
    try:
        return gzip.decompress((root / "proc/config.gz").read_bytes()).decode()
    except (OSError, EOFError):
        places = (root / "boot" / f"config-{kernel}", root / "usr/lib/modules" / kernel / "config")
        return next((text for place in places if (text := _text(place)) is not None), None)


def _text(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:
        return None
