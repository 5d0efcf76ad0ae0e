"""The ``errors`` scenario."""

from loadtests.scenarios import requests
from loadtests.scenarios.base import Scenario, sends


class Errors(Scenario):
    """The contract's error paths in turn: a bad delay (400), an unknown path (404), a wrong method (405)."""

    in_turn = True
    bad_delay = sends(tags=("400",))(requests.bad_delay)
    unknown_path = sends(tags=("404",))(requests.unknown_path)
    wrong_method = sends(tags=("405",))(requests.wrong_method)
