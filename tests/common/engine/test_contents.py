"""Layers are measured to the byte, and the files of an image are assigned to packages."""

import gzip
import hashlib
import io
import tarfile

import pytest
import zstandard

from common.engine.contents import ZSTD_LEVEL, ImagePackage, Layer, PackageKind, merge_layers, packages_in, read_layer
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
def test_size_and_digest_of_a_layer_are_those_of_its_tar(media_type: str) -> None:
    layer = read_layer(io.BytesIO(FLAVOURS[media_type]), media_type)
    assert layer.tar_bytes == len(TAR)
    assert layer.diff_id == f"sha256:{hashlib.sha256(TAR).hexdigest()}"
    assert dict(layer.files) == {"a/one": 5000, "two": 2}


def test_zstd_size_is_that_of_the_compressed_tar() -> None:
    layer = read_layer(io.BytesIO(TAR), "tar")
    assert layer.zstd_bytes == pytest.approx(len(zstandard.compress(TAR, ZSTD_LEVEL)), abs=32)


def test_padding_after_the_last_member_counts() -> None:
    padded = TAR + b"\0" * 2_000_000
    assert read_layer(io.BytesIO(padded), "tar").tar_bytes == len(padded)


@pytest.mark.parametrize(
    ("blob", "media_type"), [(b"not tar" * 200, "tar"), (b"not gzip", "tar+gzip"), (b"not", "+zstd")]
)
def test_blob_that_is_not_a_layer_is_an_error(blob: bytes, media_type: str) -> None:
    with pytest.raises(FailedError, match="cannot be read"):
        read_layer(io.BytesIO(blob), media_type)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_package_database_that_is_a_link_has_no_text(kind: bytes) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("var/lib/dpkg/status")
        link.type, link.linkname = kind, "elsewhere"
        archive.addfile(link)
    layer = read_layer(io.BytesIO(buffer.getvalue()), "tar")
    assert (layer.files, layer.texts) == ({"var/lib/dpkg/status": 0}, {})


def make_layer(files: dict[str, int], texts: dict[str, str] | None = None) -> Layer:
    return Layer(diff_id="", tar_bytes=0, zstd_bytes=0, files=files, texts=texts or {})


@pytest.mark.parametrize(
    ("upper", "visible"),
    [
        ({"etc/a": 9}, {"etc/a": 9, "etc/b/c": 2}),
        ({"etc/.wh.a": 0}, {"etc/b/c": 2}),
        ({"etc/.wh.b": 0}, {"etc/a": 1}),
        ({"etc/.wh..wh..opq": 0, "etc/d": 4}, {"etc/d": 4}),
        ({".wh.etc": 0}, {}),
        ({"etc/x.wh.js": 3}, {"etc/a": 1, "etc/b/c": 2, "etc/x.wh.js": 3}),
    ],
)
def test_later_layers_hide_and_replace_files(upper: dict[str, int], visible: dict[str, int]) -> None:
    files, _ = merge_layers([make_layer({"etc/a": 1, "etc/b/c": 2}), make_layer(upper)])
    assert files == visible


SITE = "venv/lib/python3.13/site-packages"


def _row(package: ImagePackage) -> tuple[str, str, int]:
    return package.name, package.version, package.size_bytes


def test_python_package_consists_of_its_record_and_bytecode() -> None:
    record = 'pkg/a.py,sha256=x,1\n../../../bin/tool,,\n"pkg/with,comma.txt",,\npkg_two-1.0.dist-info/RECORD,,\n'
    files = {
        f"{SITE}/pkg/a.py": 1,
        f"{SITE}/pkg/__pycache__/a.cpython-313.pyc": 10,
        f"{SITE}/pkg/__pycache__/b.cpython-313.pyc": 5000,
        f"{SITE}/pkg/with,comma.txt": 100,
        "venv/bin/tool": 1000,
        f"{SITE}/pkg_two-1.0.dist-info/RECORD": 10_000,
    }
    (package,) = packages_in(files, {f"{SITE}/pkg_two-1.0.dist-info/RECORD": record})
    assert (package.name, package.version, package.kind) == ("pkg-two", "1.0", PackageKind.PYTHON)
    assert package.size_bytes == 11_111


def test_debian_package_consists_of_its_list_even_if_folders_are_merged_into_usr() -> None:
    texts = {
        "var/lib/dpkg/info/libc6:amd64.list": "/.\n/lib\n/lib/libc.so.6\n/usr/share/doc/libc6\n",
        "var/lib/dpkg/info/tiny.list": "/.\n",
        "var/lib/dpkg/status": "Package: libc6\nStatus: ok\nVersion: 2.41\n\nPackage: tiny\nVersion: 7\n",
    }
    packages = packages_in({"usr/lib/libc.so.6": 50, "usr/share/doc/libc6": 3}, texts)
    assert [_row(package) for package in packages] == [("libc6:amd64", "2.41", 53), ("tiny", "7", 0)]


def test_alpine_package_consists_of_its_paragraph_in_the_database() -> None:
    text = "P:musl\nV:1.2\nF:lib\nR:ld-musl.so\nF:\nR:top\n\nP:empty\nV:1\n"
    packages = packages_in({"lib/ld-musl.so": 7, "top": 2}, {"lib/apk/db/installed": text})
    assert [_row(package) for package in packages] == [("musl", "1.2", 9), ("empty", "1", 0)]
