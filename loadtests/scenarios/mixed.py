"""The ``mixed`` scenario."""

from loadtests.scenarios import requests
from loadtests.scenarios.base import sends
from loadtests.scenarios.sleep import Sleep


class Mixed(Sleep):
    """Nine times ``/hello``, once ``/sleep``, in random order."""

    hello = sends(weight=9, tags=("hello",))(requests.hello)
