"""Base images, by the names users give them, and the names of what is built on them."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common.catalog.stacks import Stack
from common.errors import UsageError
from common.project import PROJECT, ROOT

BASES = ROOT / "docker" / "bases.toml"
DEFAULT_PYTHON = "3.13"
GENERATOR = f"{PROJECT}/generator"
"""The image that makes load away from this machine, ``latest`` by its tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A flavour of base image."""

    name: str
    reference: str
    """The base image's reference, with ``{python}`` for a version such as ``3.13``."""

    def base(self, python: str, env: Mapping[str, str] = os.environ) -> str:
        """The reference to build on: ``BASE`` whole where it is set, else the table's, behind ``BASE_REGISTRY``."""
        if whole := env.get("BASE"):
            return whole
        registry = env.get("BASE_REGISTRY", "").rstrip("/")
        reference = self.reference.format(python=parse_python(python))
        return f"{registry}/{reference}" if registry else reference


def images(table: Path = BASES) -> dict[str, Image]:
    """Every flavour by name, in the table's order."""
    rows = tomllib.loads(table.read_text())
    return {name: Image(name=name, reference=row["reference"]) for name, row in rows.items()}


def image_tag(stack: Stack, image: Image, python: str = DEFAULT_PYTHON) -> str:
    """The name of what is built of a stack on an image: ``PROJECT/falcon:gunicorn-gthread-slim-py3.13``."""
    return f"{PROJECT}/{stack.framework.name}:{stack.server.name}-{image.name}-py{parse_python(python)}"


def parse_python(text: str) -> str:
    """The Python version that ``PYTHON=`` names."""
    if re.fullmatch(r"3\.\d{1,2}(\.\d{1,2})?", text) is None:
        raise UsageError(f"PYTHON={text or '(empty)'} is no version. Accepted: such as {DEFAULT_PYTHON} or 3.13.2.")
    return text
