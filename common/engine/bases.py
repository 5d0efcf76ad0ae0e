"""Stand-ins for the base images, under their official names, where no container registry can be reached.

Each is made of the distribution's packages, or of pinned wheels, by a recipe under ``docker/bases/``; labelled, so that
every table built on one can say so. An image that is there already is left as it is.
"""

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from docker.errors import ImageNotFound

from common.catalog.images import DEFAULT_PYTHON, Image
from common.engine.client import engine
from common.errors import FailedError, UsageError
from common.packages.uv import run_uv
from common.project import ROOT

RECIPES = ROOT / "docker" / "bases"
LABEL = "stand-in.base"
PYTHON = "3.13"
"""The one version that all three stand-ins can be had in."""

DEBIAN_NEEDS = {"mmdebstrap": "mmdebstrap", "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring"}
ALPINE_NEEDS = {
    "qemu-img": "qemu-utils",
    "debugfs": "e2fsprogs",
    "musl-gcc": "musl-tools",
    "gcc": "gcc",
    "make": "make",
    "autoreconf": "autoconf",
    "aclocal": "automake",
    "libtoolize": "libtool",
    "/usr/include/ltdl.h": "libltdl-dev",
    "makeinfo": "texinfo",
    "tclsh": "tcl",
    "dpkg-source": "dpkg-dev",
    "xz": "xz-utils",
}
"""What the recipes call, and the package of Debian's that it comes from."""

PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Report = Callable[[str], None]


def make_bases(images: Sequence[Image], python: str = DEFAULT_PYTHON, *, report: Report = print) -> None:
    """Make a stand-in for each base that the engine does not have.

    Raises ``UsageError`` that names what the machine lacks before anything is made, ``FailedError`` where a recipe
    fails.
    """
    missing = [image for image in images if not _present(image.base(python, {}), report)]
    if not missing:
        return
    _check(missing, python)
    with tempfile.TemporaryDirectory(prefix="bases-", ignore_cleanup_errors=True) as folder:
        for image in missing:
            work = Path(folder, image.name)
            work.mkdir()
            report(f"{image.base(python, {})}: made as a stand-in, this takes a minute ...")
            report(f"{image.base(python, {})}: {_make(image, python, work)}")
            shutil.rmtree(work)


def is_stand_in(reference: str) -> bool:
    """Whether an image is a stand-in or was built on one, which inherits the label; ``False`` where there is none."""
    try:
        return engine().images.get(reference).labels.get(LABEL) == "true"
    except ImageNotFound:
        return False


def packages_missing(needs: dict[str, str]) -> list[str]:
    """The distribution's packages that would bring those of ``needs`` (programs, or absolute paths) that are absent."""
    return sorted(
        package
        for thing, package in needs.items()
        if not (Path(thing).exists() if thing.startswith("/") else shutil.which(thing, path=PROGRAMS))
    )


def _present(reference: str, report: Report) -> bool:
    try:
        labels = engine().images.get(reference).labels
    except ImageNotFound:
        return False
    report(f"{reference}: is there already{' (a stand-in)' if labels.get(LABEL) == 'true' else ''}")
    return True


def _check(missing: Sequence[Image], python: str) -> None:
    if python != PYTHON:
        raise UsageError(
            f"PYTHON={python} has no stand-in. Accepted: {PYTHON}; or BASE_REGISTRY= for another registry."
        )
    alpine = any(image.name == "alpine" for image in missing)
    if alpine and platform.machine() != "x86_64":
        raise UsageError(f"IMAGE=alpine has no stand-in on {platform.machine()}. Accepted: x86_64; or IMAGE=fat,slim.")
    if shutil.which("apt-get") is None:
        raise UsageError("stand-ins are made from Debian's packages, and there is no apt-get here. Set BASE_REGISTRY=.")
    if os.geteuid() != 0:
        raise UsageError("stand-ins are file systems, which only root can make. Run: sudo make bases")
    if packages := packages_missing(DEBIAN_NEEDS | (ALPINE_NEEDS if alpine else {})):
        raise UsageError(f"stand-ins need packages that are absent. Run: apt-get install {' '.join(packages)}")


def _make(image: Image, python: str, work: Path) -> str:
    if image.name == "alpine":
        _make_alpine(work)
    else:
        _run([RECIPES / "debian.sh", image.name, debian_mirror(), work])
    version = (work / "version").read_text().strip()
    return _import(image.base(python, {}), work / "root.tar", version)


def _make_alpine(work: Path) -> None:
    wheels = work / "wheels"
    pinned = ("--no-deps", "--require-hashes", "--only-binary=:all:", f"--requirements={RECIPES / 'wheels.txt'}")
    run_uv("pip", "install", "--no-cache", "--target", str(wheels), *pinned, what="The Alpine stand-in")
    _run([RECIPES / "musl-libs.sh", debian_mirror(), work])
    _run([RECIPES / "alpine.sh", wheels, work / "libs", work])


def debian_mirror() -> str:
    """The address of Debian's archive that this machine's own apt is set up with."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    for uri in told:
        if uri.rstrip("/").endswith("/debian"):
            return uri
    raise UsageError("apt is set up with no archive of Debian's (an address that ends in /debian). Set BASE_REGISTRY=.")


def _import(reference: str, root: Path, version: str) -> str:
    repository, _, flavour = reference.rpartition(":")
    changes = [
        "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
        "ENV LANG=C.UTF-8",
        f"ENV PYTHON_VERSION={version}",
        'CMD ["python3"]',
        f"LABEL {LABEL}=true",
    ]
    engine().api.import_image_from_file(str(root), repository=repository, tag=flavour, changes=changes)
    return f"Python {version}, {root.stat().st_size / 1e6:.0f} MB"


def _run(line: Sequence[str | Path]) -> None:
    done = subprocess.run(
        [str(part) for part in line],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PATH": PROGRAMS, "LC_ALL": "C"},
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.decode(errors="replace").splitlines()[-15:])
        raise FailedError(f"{Path(line[0]).name} ended with {done.returncode}:\n{tail}")
