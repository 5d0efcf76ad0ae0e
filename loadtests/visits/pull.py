"""Pulls of images from a registry into an empty engine, over a link of a given bandwidth."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from docker import DockerClient
from msgspec.structs import replace

from common.engine.ownership import temporary_resources
from common.engine.pulls import empty_engine, pull
from common.errors import FailedError
from common.host.shaped_link import Link, shaped_link
from common.records.experiments.startup import Pull, PullCell
from common.registries.api import Manifest, RegistryAddress
from common.registries.local import local_registry
from common.registries.pushing import registry_pusher


@dataclass(frozen=True, slots=True, kw_only=True)
class Puller:
    """A registry that holds images, an empty engine, and the link between them."""

    client: DockerClient
    link: Link
    registry: str
    manifests: Mapping[str, Manifest]
    measured_bps: dict[str, float] = field(default_factory=dict)

    def measure(self, record: Pull, cell: PullCell) -> Pull:
        """Return ``record`` with one pull of the cell's image over its link."""
        self.link.shape(cell.link)
        if cell.link not in self.measured_bps:
            self.measured_bps[cell.link] = self.link.measure_bps()
        manifest = self.manifests[cell.image]
        known = replace(
            record,
            compressed_bytes=manifest.compressed_bytes,
            layers=len(manifest.layers),
            link_seen_bps=self.measured_bps[cell.link],
        )
        try:
            pulled = pull(self.client, f"{self.registry}/{cell.image}")
        except FailedError as error:
            return replace(known, error=str(error))
        return replace(known, download_s=pulled.download_s, total_s=pulled.total_s)


@contextmanager
def puller(images: Iterator[str]) -> Iterator[Puller]:
    """Provide a puller of ``images``, which are pushed first; remove registry, engine and link afterwards."""
    with temporary_resources() as mine, shaped_link() as link, local_registry(mine.folder) as here:
        with registry_pusher(RegistryAddress.parse(here), ecr=False) as ready:
            manifests = {image: ready.push(image).manifest for image in images}
        with local_registry(mine.folder, host=link.host) as there, empty_engine(link, there) as client:
            yield Puller(client=client, link=link, registry=there, manifests=manifests)
