"""The ``hello`` scenario."""

from loadtests.scenarios import requests
from loadtests.scenarios.base import Scenario, sends


class Hello(Scenario):
    """Repeated ``/hello``: what the stack itself costs."""

    hello = sends(tags=("hello",))(requests.hello)
