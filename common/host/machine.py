"""A description of this machine and of this checkout, for records."""

import gzip
import os
import platform
import re
import subprocess
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common.host.cores import parse_cpu_list, thread_siblings
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineDetails:
    """The properties of this machine that bear on its numbers; ``None`` where one is not known.

    A virtual machine shows what its hypervisor lets it see, which may be less than the host has.
    """

    cgroup_version: int
    governor: str | None
    """The governor that sets the clock frequency of the first core."""
    thread_siblings: tuple[tuple[int, ...], ...]
    """The cores of this process by physical core, more than one where it has several hardware threads."""
    numa_nodes: Mapping[int, tuple[int, ...]]
    """The cores of each node with memory of its own; empty if the kernel knows no nodes."""
    irq_time_accounting: bool | None
    """Whether the kernel counts interrupts apart from the tasks that they interrupt."""
    python_pgo: bool | None
    """Whether the Python that runs us was built with profile-guided optimisation."""
    python_lto: bool | None
    """Whether it was built with link-time optimisation."""


def machine(docker: str | None = None) -> Machine:
    """Describe this machine; ``docker`` is the version of the engine that was used."""
    details, cpuinfo = machine_details(), Path("/proc/cpuinfo").read_text()
    return Machine(
        cpu_model=_cpu_model(cpuinfo),
        cpu_identity=cpu_identity(cpuinfo),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        cgroup_version=details.cgroup_version,
        python=platform.python_version(),
        architecture=platform.machine(),
        docker=docker,
        governor=details.governor,
        thread_siblings=[list(group) for group in details.thread_siblings],
        irq_time_accounting=details.irq_time_accounting,
        python_pgo=details.python_pgo,
        python_lto=details.python_lto,
    )


def machine_details(root: Path = Path("/"), *, kernel: str | None = None) -> MachineDetails:
    """Describe the machine whose ``/sys``, ``/proc`` and ``/boot`` are below ``root``.

    ``kernel`` is its release, by default this machine's.
    """
    cpus = root / "sys/devices/system/cpu"
    pgo, lto = python_optimisations(sysconfig.get_config_vars())
    return MachineDetails(
        cgroup_version=2 if (root / "sys/fs/cgroup/cgroup.controllers").exists() else 1,
        governor=_text(cpus / "cpu0/cpufreq/scaling_governor"),
        thread_siblings=_by_physical_core(cpus),
        numa_nodes=_numa_nodes(root / "sys/devices/system/node"),
        irq_time_accounting=_kernel_option("CONFIG_IRQ_TIME_ACCOUNTING", root, kernel or platform.release()),
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
        commit = _git("log", "-1", f"--abbrev={digits}", "--format=%h", "--", *within)
        return f"{commit}+dirty" if _git("status", "--porcelain", "--", *within) else commit
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _cpu_model(cpuinfo: str) -> str:
    # x86 kernels write "model name"; some Arm kernels write "Model" or "Hardware", others nothing of the kind.
    match = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return match[1] if match else platform.machine()


def cpu_identity(cpuinfo: str) -> str | None:
    """Return what identifies the first core's processor, such as ``AuthenticAMD, family 26, model 2, stepping 1``."""
    first, _, _ = cpuinfo.partition("\n\n")
    fields = dict(re.findall(r"^(.+?)\s*: *(.+)$", first, re.MULTILINE))
    return ", ".join(f"{name} {fields[key]}".lstrip() for key, name in CPU_IDENTITY.items() if key in fields) or None


def _by_physical_core(cpus: Path) -> tuple[tuple[int, ...], ...]:
    cores = os.sched_getaffinity(0)
    groups = thread_siblings(sorted(cores), cpus=cpus).values()
    return tuple(sorted({tuple(core for core in group if core in cores) for group in groups}))


def _numa_nodes(folder: Path) -> dict[int, tuple[int, ...]]:
    nodes = {int(node.name.removeprefix("node")): node for node in folder.glob("node[0-9]*")}
    return {number: parse_cpu_list(_text(nodes[number] / "cpulist") or "") for number in sorted(nodes)}


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
