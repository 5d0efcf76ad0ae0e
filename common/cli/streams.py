"""The standard streams and the encoding that a command begins with, whatever the shell gives it."""

import codecs
import locale
import os
import sys


def prepare_streams() -> None:
    """Open streams that are closed, and begin again in Python's UTF-8 mode where the locale has another encoding."""
    closed = [number for number in range(3) if _is_closed(number)]
    for number in closed:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        os.set_inheritable(number, True)  # noqa: FBT003 -- positional only
    is_utf8 = sys.flags.utf8_mode or codecs.lookup(locale.getencoding()).name == "utf-8"
    if closed or not is_utf8:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 -- this program


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False
