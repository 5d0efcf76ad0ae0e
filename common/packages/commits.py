"""Commits of a git checkout of the user's own, each as files in a folder of its own; the checkout stays as it is.

Such a folder is a repository of its own, since some packages take their version from git, and shares the checkout's
objects. ``git clone`` would not do: it copies a shallow checkout, without the commits of a remote's branches.
"""

import os
import shutil
import subprocess
from pathlib import Path

from common.errors import UsageError
from common.host.folders import make_folder, move_folder, temporary_folder, write_file
from common.packages.checkouts import CHECKOUTS
from common.words import last_lines

COMMITS = CHECKOUTS / "commits"
MERGE_BASE = "..."
"""Joins two references whose merge base is meant, as in git diff and on pages of pull requests."""
REFERENCES = "a branch, a tag, a commit, or main...my-branch for the commit at which the branch left main"


def commit_of(checkout: Path, reference: str) -> str:
    """Return the commit that a reference of a checkout names; ``UsageError`` if there is none.

    ``main...topic`` is where ``topic`` left ``main``, their merge base; a side that is left out is ``HEAD``.
    """
    if (found := _run(checkout, "rev-parse", "--git-dir")).returncode:
        raise UsageError(
            f"{checkout} is no git repository in which {reference or 'a reference'} could be found: git says "
            f"{last_lines(found.stderr, 1)}. Name a clone."
        )
    left, dots, right = reference.partition(MERGE_BASE)
    if dots:
        ends = [commit_of(checkout, end or "HEAD") for end in (left, right)]
        return _merge_base(checkout, reference, ends)
    done = _run(checkout, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}")
    if done.returncode:
        raise UsageError(
            f"{reference or '(empty)'} is no commit of {checkout}: must be {REFERENCES}. Get others with git fetch."
        )
    return done.stdout.strip()


def commits_between(checkout: Path, old: str, new: str) -> list[str]:
    """Return the commits after ``old`` up to ``new``, which is built on it, oldest first; none if it is not.

    Of merged branches only the merges count.
    """
    if _run(checkout, "merge-base", "--is-ancestor", old, new).returncode:
        return []
    return _git(checkout, "rev-list", "--first-parent", "--reverse", f"{old}..{new}").split()


def described(checkout: Path, commit: str = "HEAD") -> str | None:
    """Return the abbreviated commit and the first line of its message; ``None`` outside of git or without commits."""
    done = _run(checkout, "log", "-1", "--format=%h %s", commit, "--")
    return None if done.returncode else done.stdout.strip()


def is_dirty(checkout: Path) -> bool:
    """Return whether a folder of a checkout has changes that are not committed, new files included."""
    return bool(_run(checkout, "status", "--porcelain", "--", ".").stdout.strip())


def files_at(checkout: Path, commit: str, *, root: Path = COMMITS) -> Path:
    """Return a folder with the files of a checkout, or of a folder in one, at a commit; created once.

    It has the name of the original. ``UsageError`` if git fails, or if the commit does not have the folder.
    """
    top, inside = Path(_git(checkout, "rev-parse", "--show-toplevel")), _git(checkout, "rev-parse", "--show-prefix")
    copy = root / commit / top.name
    if not copy.exists():
        with temporary_folder("commit", root=make_folder(root)) as place:
            made = make_folder(place / top.name)
            _check_out(top, commit, made)
            move_folder(made, copy)
    if not (copy / inside).is_dir():
        raise UsageError(f"commit {commit[:12]} of {top} has no folder {inside}. Name another commit.")
    return copy / inside


def _check_out(top: Path, commit: str, folder: Path) -> None:
    """Make an empty folder a repository with a commit's files and all tags, which shares the objects of another."""
    shared = Path(_git(top, "rev-parse", "--path-format=absolute", "--git-common-dir"))
    _git(folder, "init", "--quiet")
    write_file(folder / ".git" / "objects" / "info" / "alternates", f"{shared / 'objects'}\n")
    if (shallow := shared / "shallow").exists():
        shutil.copy(shallow, folder / ".git")
    _git(folder, "fetch", "--quiet", str(top), "refs/tags/*:refs/tags/*")
    _git(folder, "checkout", "--quiet", "--detach", commit)


def _merge_base(checkout: Path, reference: str, ends: list[str]) -> str:
    done = _run(checkout, "merge-base", *ends)
    if done.returncode:
        raise UsageError(
            f"{reference} names nothing in {checkout}: its two ends have no commit in common. Name others, or "
            "complete a shallow clone with git fetch --unshallow."
        )
    return done.stdout.strip()


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints; ``UsageError`` with its reason if it fails."""
    done = _run(folder, *arguments)
    if done.returncode:
        raise UsageError(f"git {arguments[0]} failed in {folder}: {last_lines(done.stderr, 2)}. Mend that checkout.")
    return done.stdout.strip()


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git without the user's hooks, and without variables that name another repository."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    line = ["git", "-c", "core.hooksPath=/dev/null", "-C", str(folder), *arguments]
    try:
        return subprocess.run(line, env=surroundings, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise UsageError(f"git is not installed, and {folder} was asked for its commits. Install git.") from error
