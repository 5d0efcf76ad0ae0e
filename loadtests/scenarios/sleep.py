"""The ``sleep`` scenario."""

from loadtests.scenarios import requests
from loadtests.scenarios.base import Scenario, sends


class Sleep(Scenario):
    """``/sleep``, again and again: what waiting costs a stack."""

    sleeps = True
    sleep = sends(tags=("sleep",))(requests.sleep)
