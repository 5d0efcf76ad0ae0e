"""Wheels of checkouts for images, built inside a base image: compiled code fits only the Python it was built for."""

import re
from functools import partial
from pathlib import Path

from common.catalog.pythons import Python
from common.catalog.stacks import Image, images
from common.engine.builds import LOGS, log_tail, require_base, run_build
from common.engine.client import build_client
from common.errors import FailedError
from common.host.folders import make_folder, temporary_folder
from common.packages.checkouts import CHECKOUTS, built_once
from common.packages.indexes import run_uv
from common.project import ROOT

COMPILERS = {"slim": "fat"}
"""The image with a compiler and the same C library, for those that have none."""
RECIPE = ROOT / "docker" / "wheel.Dockerfile"


def wheel_in_image(source: Path, image: Image, python: str, *, root: Path = CHECKOUTS) -> Path:
    """Return the wheel of a checkout for a Python in an image, built where the image has a compiler.

    ``FailedError`` with the end of the log if it cannot be built, ``UsageError`` if there is no such image or engine.
    """
    builder = images()[COMPILERS.get(image.name, image.name)]
    base = builder.base(str(Python.parse(python).interpreter))
    return built_once(source, re.sub(r"[/:@]", "-", base), partial(_build, source, base), root=root)


def _build(source: Path, base: str, folder: Path) -> None:
    """Put the wheel of a checkout into a folder; a source distribution is made first, which git is needed for."""
    require_base(base)
    log = make_folder(LOGS) / f"wheel-{folder.name}.log"
    with temporary_folder("wheel") as place:
        context = make_folder(place / "context")
        line = ("build", "--quiet", "--sdist", "--no-create-gitignore", f"--out-dir={context / 'source'}", str(source))
        run_uv(*line, what=f"A source distribution of {source}")
        options = (f"--file={RECIPE}", f"--build-arg=BASE={base}", f"--output=type=local,dest={folder}")
        if not run_build(build_client(), options, context, secrets=place, log=log):
            raise FailedError(
                f"no wheel of {source} could be built on {base}; {log_tail(log)}. Name a wheel that was built for it."
            )
