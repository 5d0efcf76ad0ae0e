"""Images of a few bytes, made in the engine without a build."""

import io
import secrets
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from docker import DockerClient

from common.project import PROJECT


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """A tar that holds the files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@contextmanager
def tiny_image(engine: DockerClient, size_bytes: int = 1000) -> Iterator[str]:
    """The tag of an image of one layer with one file of random bytes; it is gone afterwards."""
    repository = f"{PROJECT}/toy_{secrets.token_hex(4)}"
    engine.api.import_image_from_data(tar_of({"random": secrets.token_bytes(size_bytes)}), repository, "one")
    try:
        yield f"{repository}:one"
    finally:
        engine.images.remove(f"{repository}:one", force=True)


def tags_below(engine: DockerClient, host: str) -> list[str]:
    """The names that the engine's images have in a registry."""
    # Not ``engine.images.list()``, which asks for each image once more and fails for those removed meanwhile.
    return [tag for image in engine.api.images() for tag in image["RepoTags"] or () if tag.startswith(f"{host}/")]
