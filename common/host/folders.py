"""Folders and files that we create: failures become one clear error, temporary folders are reclaimed after a crash.

``tempfile.TemporaryDirectory`` leaves its folder behind when its process is killed, with whatever is in it: a build's
is as large as an image's files and may hold the password of a package index. The name of a temporary folder of ours
holds its owner's identity and place, and the next process to create one removes those whose owner has exited.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from common.errors import BenchmarkError, UsageError
from common.host.ownership import is_mark_of_orphan, owner_mark, place_id
from common.project import PROJECT

_SEPARATOR = "."
"""Joins the parts of the mark of a folder's owner, which a hyphen separates from the rest of its name."""


def make_folder(folder: Path) -> Path:
    """Create a folder and its parents if they are missing, and return it; raise ``UsageError`` if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        obstacle = next(path for path in (folder, *folder.parents) if path.exists() or path.is_symlink())
        raise UsageError(f"{obstacle} is not a folder, and one is needed there. Remove or rename it.") from error
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be created: {error.strerror}.") from error
    return folder


def move_folder(made: Path, place: Path) -> None:
    """Move a folder, unless another process has put the same there in the meantime; both are on one file system."""
    make_folder(place.parent)
    try:
        made.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def remove_folder(folder: Path) -> None:
    """Remove a folder with all its content, as far as that is possible."""
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def temporary_folder(
    purpose: str, *, root: Path | None = None, reclaim: Callable[[Path], None] = remove_folder
) -> Iterator[Path]:
    """Create an empty folder that only this user can read, and remove it afterwards.

    It lies in ``root``, by default the folder for temporary files, from which folders of killed processes are removed
    first. ``reclaim`` removes such a folder, and whatever the folder says its owner has left elsewhere.
    """
    try:
        for orphan in orphaned_folders(root):
            reclaim(orphan)
        place, prefix = _place(root)
        mark = owner_mark(_SEPARATOR)
        folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{mark}-{purpose}-", dir=make_folder(place)))
    except OSError as error:
        raise UsageError(f"no temporary folder can be created: {error.strerror}: {error.filename}.") from error
    try:
        yield folder
    finally:
        remove_folder(folder)


def remove_orphaned_folders() -> None:
    """Remove what killed processes of this user left in the folder for temporary files."""
    for folder in orphaned_folders():
        remove_folder(folder)


def orphaned_folders(root: Path | None = None) -> list[Path]:
    """Return this user's temporary folders in ``root`` whose owner has exited."""
    place, prefix = _place(root)
    here = place_id()
    return [folder for folder in place.glob(f"{prefix}*") if _is_orphan(folder, prefix, here)]


def _place(root: Path | None) -> tuple[Path, str]:
    """Return the parent of temporary folders, and the prefix that tells ours from those of other programs."""
    return (Path(tempfile.gettempdir()), f"{PROJECT}-") if root is None else (root, "")


def _is_orphan(folder: Path, prefix: str, here: str) -> bool:
    mark, hyphen, _ = folder.name.removeprefix(prefix).partition("-")
    try:
        ours = not folder.is_symlink() and folder.is_dir() and folder.stat().st_uid == os.geteuid()
    except OSError:
        return False  # another process has just removed it
    return bool(hyphen) and ours and is_mark_of_orphan(mark, _SEPARATOR, here=here)


def _unwritable(file: Path, error: OSError) -> BenchmarkError:
    return UsageError(f"{file} cannot be written: {error.strerror}. Mend that, or choose another place.")


Failure = Callable[[Path, OSError], BenchmarkError]
"""Returns the error to raise for a file that cannot be written."""


def write_file(file: Path, content: str | bytes, *, failure: Failure = _unwritable) -> None:
    """Write a file, and the folders above it, completely or not at all, as ``write_files`` does."""
    write_files({file: content}, failure=failure)


def write_files(contents: Mapping[Path, str | bytes], *, failure: Failure = _unwritable) -> None:
    """Write files, and the folders above them: all of them, or none if there is no room for one.

    Every text is written to a file beside the one that it replaces, and synced to disk, before the first takes its
    place, which needs no room. Links are followed; anything that is not a plain file, such as ``/dev/stdout``, is
    written to directly. Raise what ``failure`` returns, by default a ``UsageError``, if one cannot be written.
    """
    parts = {file: _part_of(file) for file in contents}
    try:
        for file, part in parts.items():
            with named_if_unwritable(file, failure):
                _write_part(file, part, contents[file])
        for file, part in parts.items():
            with named_if_unwritable(file, failure):
                if part != file:
                    os.replace(part, file.resolve())  # noqa: PTH105 -- as the other calls that tests let fail
    finally:
        for file, part in parts.items():
            with suppress(OSError):
                if part != file:
                    part.unlink(missing_ok=True)


def _part_of(file: Path) -> Path:
    """Return where the content of a file is written before it takes its place."""
    return file if file.exists() and not file.is_file() else file.resolve().with_name(f".{secrets.token_hex(8)}.part")


def _write_part(file: Path, part: Path, content: str | bytes) -> None:
    """Write the new content of ``file``, with its permissions."""
    make_folder(file.parent)
    text = content.encode() if isinstance(content, str) else content
    if part == file:
        file.write_bytes(text)  # a pipe, say, which cannot be synced
        return
    append(part, text)
    if file.exists():
        shutil.copymode(file, part)


def append(file: Path, text: bytes) -> None:
    """Append to a file and sync it to disk; if that fails, remove the part that was written and raise ``OSError``."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        before = os.fstat(descriptor).st_size
        left = memoryview(text)
        try:
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)


def require_writable(file: Path) -> None:
    """Raise ``UsageError`` if a file cannot be written. Call it before the work whose result the file is to hold."""
    with named_if_unwritable(file):
        make_folder(file.parent)
        is_new = not file.exists()
        file.open("a").close()
        if is_new:
            file.unlink()


@contextmanager
def named_if_unwritable(out: Path, failure: Failure = _unwritable) -> Iterator[None]:
    """Turn an ``OSError`` into what ``failure`` returns, by default a ``UsageError`` that names ``out``."""
    try:
        yield
    except OSError as error:
        raise failure(out, error) from error
