"""Stand-ins for the base images, under their official names, for machines that reach no container registry.

A recipe under ``docker/bases/`` makes each from the distribution's packages, from its sources or from pinned wheels.
Stand-ins carry a label, so that every table that is based on one can say so. An existing image is never replaced.
"""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from common.catalog.pythons import DEFAULT_PYTHON, Python
from common.catalog.stacks import Image
from common.engine.client import engine, find_image
from common.errors import FailedError, UsageError
from common.host.folders import temporary_folder
from common.packages.indexes import run_uv
from common.project import ROOT
from common.words import last_lines

RECIPES = ROOT / "docker" / "bases"
PYTHONS = RECIPES / "pythons.toml"
LABEL, CONFIGURED = "stand-in.base", "stand-in.configured"
ALPINE_PYTHON = "3.13"
"""The only Python version for which a stand-in of Alpine can be made: that of the pinned wheel."""

WITHOUT_GIL, OPTIMISED = "--disable-gil", "--enable-optimizations --with-lto"
"""Options of CPython's configure: for a free-threaded build, and for PGO and LTO, which official images have."""
DEBIAN_NEEDS = {"mmdebstrap": "mmdebstrap", "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring"}
SOURCE_NEEDS = {"dpkg-source": "dpkg-dev", "xz": "xz-utils"}
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
    **SOURCE_NEEDS,
}
"""The programs and files that the recipes need, and the Debian package of each."""

TAIL_LINES = 15
PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class _Source(Struct, frozen=True, forbid_unknown_fields=True):
    """Where stand-ins get a Python: a row of ``docker/bases/pythons.toml``."""

    suite: str
    source: str | None = None
    """Debian's source package that is compiled without the GIL; ``None`` where its own packages are installed."""
    interpreter: str = "python3"
    packages: tuple[str, ...] = ()
    headers: str = ""

    def configured(self, *, optimised: bool) -> str | None:
        """Return the options that it is configured with; ``None`` unless it is compiled."""
        return None if self.source is None else f"{WITHOUT_GIL} {OPTIMISED}" if optimised else WITHOUT_GIL

    def write(self, image: Image, work: Path, configure: str | None) -> None:
        """Write a stand-in to a folder: ``root.tar`` and ``version``."""
        packages, built = ",".join(self.packages), list[Path]()
        if self.source is not None and configure is not None:
            _run((RECIPES / "free-threaded.sh", self.suite, self.source, configure, debian_mirror(), work))
            packages, built = (work / "libraries").read_text().strip(), [work / "python.tar"]
        line = (image.name, self.suite, self.interpreter, packages, self.headers, debian_mirror(), work)
        _run((RECIPES / "debian.sh", *line, *built))


@cache
def _sources() -> dict[str, _Source]:
    return msgspec.toml.decode(PYTHONS.read_bytes(), type=dict[str, _Source])


def make_bases(
    images: Sequence[Image], python: str = DEFAULT_PYTHON, *, optimised: bool = False, report: Callable[[str], None]
) -> None:
    """Make a stand-in for each base image that the engine does not have, and report those that cannot be made.

    ``optimised`` compiles free-threaded builds with PGO and LTO, as all other Pythons have been.
    Raise ``UsageError`` with what the machine lacks before anything is made, or if none can be made, and
    ``FailedError`` if a recipe fails.
    """
    interpreter = str(Python.parse(python).interpreter)
    present = [image for image in images if _is_present(image, interpreter, report)]
    missing = [image for image in images if image not in present]
    makeable = [image for image in missing if has_recipe(image, interpreter)]
    if makeable:
        _check_requirements(makeable, interpreter)
    elif not present:
        raise UsageError(
            f"no stand-in can be made for PYTHON={interpreter} IMAGE={','.join(image.name for image in missing)}: "
            f"{_recipes_there_are()} Use one of those, or pull the official image; BASE_REGISTRY= names a mirror."
        )
    for image in missing:
        if image not in makeable:
            report(f"{image.name}: not made: {image.unavailable(interpreter, {}) or _recipes_there_are()}")
    for image in makeable:
        with temporary_folder("bases") as work:
            report(f"{image.base(interpreter, {})}: making a stand-in, which takes {_duration(interpreter)} ...")
            report(f"{image.base(interpreter, {})}: {_make(image, interpreter, work, optimised=optimised)}")


def has_recipe(image: Image, python: str) -> bool:
    """Return whether a stand-in of this Python can be made."""
    if image.unavailable(python, {}) is not None:
        return False
    return python == ALPINE_PYTHON if image.name == "alpine" else python in _sources()


def pythons_with_recipe() -> list[str]:
    """Return the Pythons of which stand-ins can be made without compiling them."""
    return [name for name, source in _sources().items() if source.source is None]


def _recipes_there_are() -> str:
    return f"stand-ins exist of {', '.join(_sources())}, on Alpine of {ALPINE_PYTHON} only."


def is_stand_in(reference: str) -> bool:
    """Return whether an image is a stand-in or is built on one; ``False`` if there is no such image."""
    image = find_image(reference)
    return image is not None and image.labels.get(LABEL) == "true"  # an image inherits the labels of its base


def configured(reference: str) -> str | None:
    """Return the options that an image's Python was configured with here; ``None`` if it was not compiled here."""
    image = find_image(reference)
    return None if image is None else image.labels.get(CONFIGURED)


def packages_missing(needs: dict[str, str]) -> list[str]:
    """Return the packages of those programs and absolute paths in ``needs`` that are missing here."""
    return sorted(
        package
        for need, package in needs.items()
        if not (Path(need).exists() if need.startswith("/") else shutil.which(need, path=PROGRAMS))
    )


def _is_present(image: Image, python: str, report: Callable[[str], None]) -> bool:
    if image.unavailable(python, {}) is not None:
        return False
    reference = image.base(python, {})
    present = find_image(reference) is not None
    if present:
        report(f"{reference}: already present{' (a stand-in)' if is_stand_in(reference) else ''}")
    return present


def _check_requirements(missing: Sequence[Image], python: str) -> None:
    alpine = any(image.name == "alpine" for image in missing)
    if alpine and platform.machine() != "x86_64":
        raise UsageError(f"IMAGE=alpine has no stand-in on {platform.machine()}, only on x86_64. Use IMAGE=fat,slim.")
    if shutil.which("apt-get") is None:
        raise UsageError("stand-ins are made from Debian packages, and there is no apt-get here. Set BASE_REGISTRY=.")
    if os.geteuid() != 0:
        raise UsageError("only root can make stand-ins, which are whole file systems. Run: sudo make bases")
    compiled = SOURCE_NEEDS if Python.parse(python).free_threaded else {}
    if packages := packages_missing(DEBIAN_NEEDS | compiled | (ALPINE_NEEDS if alpine else {})):
        raise UsageError(f"packages that stand-ins need are missing. Run: apt-get install {' '.join(packages)}")


def _duration(python: str) -> str:
    return "several minutes, since it is compiled" if Python.parse(python).free_threaded else "about a minute"


def _make(image: Image, python: str, work: Path, *, optimised: bool) -> str:
    """Make one stand-in, and return its Python and size for the report."""
    configure = None
    if image.name == "alpine":
        _make_alpine(work)
    else:
        configure = _sources()[python].configured(optimised=optimised)
        _sources()[python].write(image, work, configure)
    version = (work / "version").read_text().strip()
    return _import_image(image.base(python, {}), work / "root.tar", version, configure)


def _make_alpine(work: Path) -> None:
    wheels = work / "wheels"
    pinned = ("--no-deps", "--require-hashes", "--only-binary=:all:", f"--requirements={RECIPES / 'wheels.txt'}")
    run_uv("pip", "install", "--no-cache", "--target", str(wheels), *pinned, what="The Alpine stand-in")
    _run([RECIPES / "musl-libs.sh", debian_mirror(), work])
    _run([RECIPES / "alpine.sh", wheels, work / "libs", work])


def debian_mirror() -> str:
    """Return the address of the Debian archive that this machine's own apt uses."""
    addresses = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    for address in addresses:
        if address.rstrip("/").endswith("/debian"):
            return address
    raise UsageError("apt has no Debian archive configured (an address that ends in /debian). Set BASE_REGISTRY=.")


def _import_image(reference: str, root: Path, version: str, configure: str | None) -> str:
    repository, _, flavour = reference.rpartition(":")
    changes = [
        "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
        "ENV LANG=C.UTF-8",
        f"ENV PYTHON_VERSION={version}",
        'CMD ["python3"]',
        f"LABEL {LABEL}=true",
        *([] if configure is None else [f'LABEL {CONFIGURED}="{configure}"']),
    ]
    engine().api.import_image_from_file(str(root), repository=repository, tag=flavour, changes=changes)
    return f"Python {version}, {root.stat().st_size / 1e6:.0f} MB"


def _run(line: Sequence[str | Path]) -> None:
    recipe = subprocess.run(
        [str(word) for word in line],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PATH": PROGRAMS, "LC_ALL": "C"},
        check=False,
    )
    if recipe.returncode != 0:
        tail = last_lines(recipe.stdout.decode(errors="replace"), TAIL_LINES)
        raise FailedError(
            f"{Path(line[0]).name} failed with exit status {recipe.returncode}. The end of its output: {tail}"
        )
