"""The additions that ``make extras`` prices; ``extras.py`` of frameworks makes them, and the suite checks them."""

from common.contract.extras import EMPTY_MIDDLEWARES
from common.words import counted

TITLES = {name: counted(count, "empty middleware") for name, count in EMPTY_MIDDLEWARES.items()}
"""What each addition is called in tables, by its name."""
