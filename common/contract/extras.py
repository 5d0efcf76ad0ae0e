"""What ``extras.py`` of a framework's folder adds to its app, as environment variables say."""

import functools
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

ADDITIONS = "EXTRAS"
"""The variable with the names of the additions, joined by commas."""
SAYS_CALLS = "EXTRAS_SAY_CALLS"
"""The variable that has empty middlewares print each call; it is never set while a server is measured."""
CALLED = "an empty middleware was called"

EMPTY_MIDDLEWARES = {"middleware-1": 1, "middleware-3": 3, "middleware-6": 6}
"""The additions of middlewares that do nothing, each with their number."""

Function = TypeVar("Function", bound=Callable[..., Any])


def empty_middlewares() -> int:
    """Return how many middlewares that do nothing the app is to have."""
    return sum(EMPTY_MIDDLEWARES.get(name, 0) for name in os.environ.get(ADDITIONS, "").split(","))


def empty(function: Function) -> Function:
    """Return the function of an empty middleware as it is or, while the suite checks it, one that prints each call."""
    if SAYS_CALLS not in os.environ:
        return function

    # Uvicorn takes an app that can be called without arguments for one that makes the app.
    async def said_by_coroutine(first: Any, second: Any, *others: Any) -> Any:  # noqa: ANN401 -- a framework's
        sys.stderr.write(f"{CALLED}\n")
        return await function(first, second, *others)

    def said(*arguments: Any) -> Any:  # noqa: ANN401
        sys.stderr.write(f"{CALLED}\n")
        return function(*arguments)

    saying = said_by_coroutine if inspect.iscoroutinefunction(function) else said
    return cast("Function", functools.wraps(function)(saying))
