"""The ``rate`` scenario."""

from common.records import load
from loadtests.scenarios.hello import Hello


class Rate(Hello):
    """``/hello`` at a rate, whether or not earlier requests are answered."""

    open_loop = True
    default_rate = load.Rate(share=0.5)
