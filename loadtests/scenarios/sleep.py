"""The ``sleep`` scenario."""

from loadtests.scenarios import requests
from loadtests.scenarios.base import Scenario, sends


class Sleep(Scenario):
    """Repeated ``/sleep``: what waiting costs the stack."""

    sleeps = True
    sleep = sends(tags=("sleep",))(requests.sleep)
