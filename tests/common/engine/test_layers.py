"""Layers are counted to the byte, and each file of an image is its package's."""

import gzip
import hashlib
import io

import pytest
import zstandard

from common.engine.installed_packages import PackageKind, merge_layers, packages_in
from common.engine.layers import ZSTD_LEVEL, Layer, read_layer
from common.errors import FailedError
from tests.support.tiny_images import tar_of

FILES = {"a/one": b"1" * 5000, "two": b"22"}
TAR = tar_of(FILES)
FLAVOURS = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": gzip.compress(TAR),
    "application/vnd.oci.image.layer.v1.tar+gzip": gzip.compress(TAR[:99]) + gzip.compress(TAR[99:]),
    "application/vnd.oci.image.layer.v1.tar+zstd": zstandard.compress(TAR[:99]) + zstandard.compress(TAR[99:]),
    "application/vnd.oci.image.layer.v1.tar": TAR,
}


@pytest.mark.parametrize("media_type", FLAVOURS)
def test_a_layer_is_counted_and_digested_as_its_tar(media_type: str) -> None:
    layer = read_layer(io.BytesIO(FLAVOURS[media_type]), media_type)
    assert layer.tar_bytes == len(TAR)
    assert layer.diff_id == f"sha256:{hashlib.sha256(TAR).hexdigest()}"
    assert dict(layer.files) == {"a/one": 5000, "two": 2}


def test_zstd_bytes_are_what_zstd_makes_of_the_tar() -> None:
    layer = read_layer(io.BytesIO(TAR), "tar")
    assert layer.zstd_bytes == pytest.approx(len(zstandard.compress(TAR, ZSTD_LEVEL)), abs=32)


def test_what_follows_the_last_member_counts() -> None:
    padded = TAR + b"\0" * 2_000_000
    assert read_layer(io.BytesIO(padded), "tar").tar_bytes == len(padded)


@pytest.mark.parametrize(("blob", "media_type"), [(b"no tar" * 200, "tar"), (b"no gzip", "tar+gzip"), (b"no", "+zstd")])
def test_a_blob_that_is_no_layer_is_told(blob: bytes, media_type: str) -> None:
    with pytest.raises(FailedError, match="cannot be read"):
        read_layer(io.BytesIO(blob), media_type)


def layer(files: dict[str, int], texts: dict[str, str] | None = None) -> Layer:
    return Layer(diff_id="", tar_bytes=0, zstd_bytes=0, files=files, texts=texts or {})


@pytest.mark.parametrize(
    ("upper", "left"),
    [
        ({"etc/a": 9}, {"etc/a": 9, "etc/b/c": 2}),
        ({"etc/.wh.a": 0}, {"etc/b/c": 2}),
        ({"etc/.wh.b": 0}, {"etc/a": 1}),
        ({"etc/.wh..wh..opq": 0, "etc/d": 4}, {"etc/d": 4}),
        ({".wh.etc": 0}, {}),
    ],
)
def test_later_layers_hide_and_replace_files(upper: dict[str, int], left: dict[str, int]) -> None:
    files, _ = merge_layers([layer({"etc/a": 1, "etc/b/c": 2}), layer(upper)])
    assert files == left


SITE = "venv/lib/python3.13/site-packages"


def test_a_python_package_is_its_record_and_the_bytecode_of_it() -> None:
    record = 'pkg/a.py,sha256=x,1\n../../../bin/tool,,\n"pkg/with,comma.txt",,\npkg_two-1.0.dist-info/RECORD,,\n'
    files = {
        f"{SITE}/pkg/a.py": 1,
        f"{SITE}/pkg/__pycache__/a.cpython-313.pyc": 10,
        f"{SITE}/pkg/__pycache__/b.cpython-313.pyc": 5000,
        f"{SITE}/pkg/with,comma.txt": 100,
        "venv/bin/tool": 1000,
        f"{SITE}/pkg_two-1.0.dist-info/RECORD": 10_000,
    }
    (found,) = packages_in(files, {f"{SITE}/pkg_two-1.0.dist-info/RECORD": record})
    assert (found.name, found.version, found.kind, found.size_bytes) == ("pkg-two", "1.0", PackageKind.PYTHON, 11_111)


def test_a_debian_package_is_its_list_also_where_folders_were_merged_into_usr() -> None:
    texts = {
        "var/lib/dpkg/info/libc6:amd64.list": "/.\n/lib\n/lib/libc.so.6\n/usr/share/doc/libc6\n",
        "var/lib/dpkg/info/tiny.list": "/.\n",
        "var/lib/dpkg/status": "Package: libc6\nStatus: ok\nVersion: 2.41\n\nPackage: tiny\nVersion: 7\n",
    }
    found = packages_in({"usr/lib/libc.so.6": 50, "usr/share/doc/libc6": 3}, texts)
    assert [(one.name, one.version, one.size_bytes) for one in found] == [("libc6:amd64", "2.41", 53), ("tiny", "7", 0)]


def test_an_alpine_package_is_its_paragraph_of_the_database() -> None:
    text = "P:musl\nV:1.2\nF:lib\nR:ld-musl.so\nF:\nR:top\n\nP:empty\nV:1\n"
    found = packages_in({"lib/ld-musl.so": 7, "top": 2}, {"lib/apk/db/installed": text})
    assert [(one.name, one.version, one.size_bytes) for one in found] == [("musl", "1.2", 9), ("empty", "1", 0)]
