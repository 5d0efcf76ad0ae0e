"""An archive from elsewhere is read within bounds, in the one form that is written, or refused in one line."""

import gzip
import io
import os
import random
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import UsageError
from loadtests.bundles import archive
from loadtests.bundles.archive import pack, unpack

FILES = {"bundle.json": b"{}\n", "runs/a/run.json": b"1" * 600, "locks/x-1.lock": b""}
PACKED = pack(FILES)


def _member(name: str, content: bytes = b"", **changes: object) -> tuple[tarfile.TarInfo, bytes]:
    made = tarfile.TarInfo(name)
    made.size = len(content)
    for field, value in changes.items():
        setattr(made, field, value)
    return made, content


def _tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=form) as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(raw.getvalue())


def _of_size(claimed: bytes) -> bytes:
    """Return an archive whose only header claims this size."""
    block = bytearray(_member("a")[0].tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = claimed
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + 8 * ord(" ") + sum(block[156:]))
    return gzip.compress(bytes(block) + bytes(1024))


def _zip() -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as file:
        file.writestr("bundle.json", "{}")
    return raw.getvalue()


HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is cut off"),
    "text": (b"hello\n", "is damaged, or no gzip-compressed tar archive"),
    "zip": (_zip(), "is damaged, or no gzip-compressed tar archive"),
    "gzip of text": (gzip.compress(b"hello\n" * 200), "is damaged, or no tar archive"),
    "cut off": (PACKED[:-100], "is cut off"),
    "cut off within the tar": (gzip.compress(gzip.decompress(PACKED)[:1024]), "is damaged, or no tar archive"),
    "damaged": (PACKED[:40] + b"\xff\xff" + PACKED[42:], "is damaged"),
    "goes on": (PACKED + PACKED, "goes on after its end"),
    "goes on within the tar": (gzip.compress(gzip.decompress(PACKED) + b"x" * 512), "more than its files"),
    "absolute": (_tar(_member("/etc/passwd", b"x")), "a file named '/etc/passwd'"),
    "parents": (_tar(_member("runs/../../x", b"x")), r"a file named 'runs/../../x'"),
    "dots": (_tar(_member("..", b"x")), r"a file named '\.\.'"),
    "hidden": (_tar(_member("runs/.ssh", b"x")), r"a file named 'runs/\.ssh'"),
    "backslashes": (_tar(_member("..\\x", b"x")), "a file named"),
    "control characters": (_tar(_member("a\x1b[2J\nb", b"x")), r"a file named 'a\\x1b\[2J\\nb'"),
    "not ASCII": (_tar(_member("\u202e", b"x")), "is damaged, or no tar archive"),
    "long name": (_tar(_member("a/" * 60 + "b", b"x")), "a file named"),
    "GNU long name": (_tar(_member("a" * 300, b"x"), form=tarfile.GNU_FORMAT), "which is not a plain file"),
    "PAX": (_tar(_member("a" * 300, b"x"), form=tarfile.PAX_FORMAT), "which is not a plain file"),
    "symbolic link": (_tar(_member("a", type=tarfile.SYMTYPE, linkname="/etc/passwd")), "'a', which is not a plain"),
    "hard link": (_tar(_member("a", type=tarfile.LNKTYPE, linkname="/etc/passwd")), "'a', which is not a plain"),
    "character device": (_tar(_member("a", type=tarfile.CHRTYPE)), "'a', which is not a plain"),
    "block device": (_tar(_member("a", type=tarfile.BLKTYPE)), "'a', which is not a plain"),
    "FIFO": (_tar(_member("a", type=tarfile.FIFOTYPE)), "'a', which is not a plain"),
    "folder": (_tar(_member("a", type=tarfile.DIRTYPE)), "'a', which is not a plain"),
    "sparse": (_tar(_member("a", type=tarfile.GNUTYPE_SPARSE), form=tarfile.GNU_FORMAT), "which is not a plain file"),
    "twice": (_tar(_member("a", b"1"), _member("a", b"2")), "holds a twice"),
    "another order": (_tar(_member("b", b"1"), _member("a", b"2")), "not as make bundle writes them"),
    "another mode": (_tar(_member("a", b"1", mode=0o4755)), "holds more than its files"),
    "another owner": (_tar(_member("a", b"1", uid=1)), "holds more than its files"),
    "huge size": (_of_size(b"77777777777\0"), "which are not there"),
    "huge size in base 256": (_of_size(b"\x80" + b"\x7f" * 11), "which are not there"),
    "negative size": (_of_size(b"\xff" * 12), "which are not there"),
    "zip bomb": (gzip.compress(bytes(archive.MOST_BYTES + 1)), "holds more than 64 MB, compressed to less"),
    "many files": (_tar(*(_member(f"a{number:04}") for number in range(1001))), "more than 1,000 files"),
}  # fmt: skip


def test_equal_files_give_equal_bytes_which_are_read_back(tmp_path: Path) -> None:
    assert pack(dict(reversed(FILES.items()))) == PACKED
    (tmp_path / "a").write_bytes(PACKED)
    assert unpack(tmp_path / "a", named="BUNDLE=a") == FILES


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    content, reason = HOSTILE[kind]
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UsageError, match=rf"^BUNDLE=a .*{reason}") as refused:
        unpack(tmp_path / "a", named="BUNDLE=a")
    assert str(refused.value).isprintable()
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, lambda file: file.symlink_to("nowhere"), lambda file: file.symlink_to("/dev/zero")]
)
def test_anything_but_a_file_is_never_read(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "a")
    with pytest.raises(UsageError, match="BUNDLE=a is not a file: must be one that make bundle wrote"):
        unpack(tmp_path / "a", named="BUNDLE=a")


def test_no_more_of_a_file_is_read_than_a_bundle_may_hold(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(10 * 2**40)
    with pytest.raises(UsageError, match="BUNDLE=a has more than 64 MB, which is too much"):
        unpack(tmp_path / "a", named="BUNDLE=a")


def test_no_more_of_a_bomb_is_decompressed_than_a_bundle_may_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 100_000)
    (tmp_path / "a").write_bytes(gzip.compress(bytes(30_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match="compressed to less"):
            unpack(tmp_path / "a", named="BUNDLE=a")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_more_than_is_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 600)
    with pytest.raises(UsageError, match="3 files of 0 MB are too much for a bundle"):
        pack(FILES)


def test_any_change_of_a_byte_is_refused_or_gives_other_files(tmp_path: Path) -> None:
    raw, dice = gzip.decompress(PACKED), random.Random(1)  # noqa: S311 -- no cryptography
    for _ in range(500):
        at = dice.randrange(len(raw))
        changed = raw[:at] + bytes([raw[at] ^ dice.randint(1, 255)]) + raw[at + 1 :]
        (tmp_path / "a").write_bytes(gzip.compress(changed))
        try:
            found = unpack(tmp_path / "a", named="BUNDLE=a")
        except UsageError:
            continue
        assert found != FILES
