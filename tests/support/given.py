"""The environment in which make calls a command."""

import re
from collections.abc import Mapping

from common.cli.app import GIVEN


def by_make(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment by which make passes these variables, quoted as make quotes them."""
    words = (f"{name}={value}" for name, value in given.items())
    return {GIVEN: " ".join(re.sub(r"([ \t\\])", r"\\\1", word).replace("$", "$$") for word in words)}
