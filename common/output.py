"""Files that a command writes where ``OUT=`` says."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import UsageError
from common.host.folders import make_folder


def write_file(file: Path, text: str) -> None:
    """Write a file, and the folders above it; ``UsageError`` if that is not possible."""
    with named_if_unwritable(file):
        make_folder(file.parent)
        file.write_text(text)


def require_writable(file: Path) -> None:
    """Raise ``UsageError`` if a file cannot be written. Call it before the work whose result the file is to hold."""
    with named_if_unwritable(file):
        make_folder(file.parent)
        is_new = not file.exists()
        file.open("a").close()
        if is_new:
            file.unlink()


@contextmanager
def named_if_unwritable(out: Path) -> Iterator[None]:
    """Turn an ``OSError`` into a ``UsageError`` that names ``out``."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"OUT={out} cannot be written: {error.strerror}. Choose another place.") from error
