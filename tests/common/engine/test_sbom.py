"""The bill of materials of an image names what its own package managers name."""

import json

import pytest
from docker import DockerClient

from common.catalog.pythons import DEFAULT_PYTHON
from common.catalog.stacks import images
from common.engine.sbom import bill_of_materials

PYTHON = "import importlib.metadata as m; [print(d.metadata['Name'].lower(), d.version) for d in m.distributions()]"
DEBIAN = r"dpkg-query --show --showformat '${Package} ${Version}\n'"
ALPINE = "apk info --verbose"


def _lines(engine: DockerClient, image: str, *line: str) -> set[str]:
    output: bytes = engine.containers.run(image, list(line), entrypoint="", remove=True)
    return set(output.decode().split("\n")) - {""}


@pytest.mark.parametrize(("flavour", "kind", "line"), [("slim", "deb", DEBIAN), ("alpine", "apk", ALPINE)])
def test_packages_are_those_that_the_images_package_managers_list(
    engine: DockerClient, flavour: str, kind: str, line: str
) -> None:
    image = images()[flavour].base(DEFAULT_PYTHON)
    bom = json.loads(bill_of_materials(image))
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    assert bom["metadata"]["component"]["name"] == "python"
    assert bom["metadata"]["component"]["hashes"][0]["content"] in str(engine.images.get(image).id)
    found = {(one["purl"].split("/")[0].removeprefix("pkg:"), one["name"], one["version"]) for one in bom["components"]}
    separator = "-" if kind == "apk" else " "
    system = {f"{name}{separator}{version}" for of, name, version in found if of == kind}
    assert system == _lines(engine, image, "sh", "-c", line)
    python = {f"{name.lower().replace('_', '-')} {version}" for of, name, version in found if of == "pypi"}
    assert python == {one.replace("_", "-") for one in _lines(engine, image, "python3", "-c", PYTHON)}
    assert len(bom["components"]) == len(found)


@pytest.mark.usefixtures("engine")
def test_the_same_image_has_the_same_components() -> None:
    image = images()["slim"].base(DEFAULT_PYTHON)
    first, second = (json.loads(bill_of_materials(image)) for _ in range(2))
    assert first["components"] == second["components"]
