"""The ``hello`` scenario."""

from loadtests.scenarios import requests
from loadtests.scenarios.base import Scenario, sends


class Hello(Scenario):
    """``/hello``, again and again: what a stack costs by itself."""

    hello = sends(tags=("hello",))(requests.hello)
