"""The releases of a package that an index has, as pip reports them."""

import re
import subprocess
import sys
from collections.abc import Iterable

from packaging.version import InvalidVersion, Version

from common.errors import FailedError

TIMEOUT_S = 60


def releases(package: str) -> tuple[Version, ...]:
    """Return the final releases of a package that this Python can install, the newest first.

    Raises ``FailedError`` with the end of pip's output if no index has the package.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "index", "versions", package]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise FailedError(f"pip did not list the versions of {package} within {TIMEOUT_S} s.") from error
    listed = re.search(r"^Available versions: (.+)$", result.stdout, re.MULTILINE)
    if listed is None:
        reason = (result.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise FailedError(f"pip listed no versions of {package}: {reason}")
    return _newest_first(listed[1].split(", "))


def newest_of_each_minor(versions: Iterable[Version], last: int) -> tuple[Version, ...]:
    """Return the newest release of each of the ``last`` minor versions, the oldest first."""
    newest: dict[tuple[int, int, int], Version] = {}
    for version in sorted(versions):
        newest[version.epoch, version.major, version.minor] = version
    return tuple(newest.values())[-last:]


def _newest_first(texts: Iterable[str]) -> tuple[Version, ...]:
    versions = []
    for text in texts:
        try:
            version = Version(text)
        except InvalidVersion:  # an index may still hold releases from before versions had a standard
            continue
        if not version.is_prerelease:
            versions.append(version)
    return tuple(sorted(versions, reverse=True))
