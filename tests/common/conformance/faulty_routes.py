"""Servers that answer other methods or other paths incorrectly."""

from common.contract import HELLO
from tests.common.conformance.faults import caught
from tests.common.conformance.good_server import Good


@caught("methods", "other_method_gets_an_allow_header")
class NoAllow(Good):
    """Refuses a method without naming those that it accepts."""

    allow = None


@caught("methods", "other_method_gets_an_allow_header")
class AllowsWhatItRefuses(Good):
    """Lists methods in Allow that it refuses."""

    allow = "GET, HEAD, POST, PUT, PATCH, DELETE"


@caught("methods", "other_method_is_405", "other_method_gets_an_allow_header")
class AcceptsPost(Good):
    """Accepts every method."""

    def accepts_method(self) -> bool:
        """Accept every method."""
        return True


@caught("methods", "other_method_is_405", "other_method_gets_an_allow_header")
class WrongMethodIs404(Good):
    """Routes by method and path together, so that a wrong method is an unknown path."""

    def wrong_method(self) -> None:
        """Answer 404."""
        self.not_found()


@caught("methods", "other_method_is_405")
class WrongMethodIs501(Good):
    """Does not implement other methods."""

    def wrong_method(self) -> None:
        """Answer 501."""
        self.answer(501, self.encode({}), {"Allow": "GET"})


@caught(
    "methods",
    *(f"other_method_is_405[PROPFIND-{path}]" for path in ("/hello", "/sleep/0")),
    *(f"other_method_gets_an_allow_header[PROPFIND-{path}]" for path in ("/hello", "/sleep/0")),
)
class RefusesOnlyCommonMethods(Good):
    """Refuses the methods that it knows and answers all others like GET."""

    def accepts_method(self) -> bool:
        """Accept unknown methods."""
        return self.command not in {"POST", "PUT", "PATCH", "DELETE"}


@caught("methods", "unknown_path_is_404_for_other_methods_too")
class ChecksTheMethodFirst(Good):
    """Checks the method before the path, so that no other method ever gets 404."""

    def not_found(self) -> None:
        """Answer 405 to other methods."""
        if self.accepts_method():
            super().not_found()
        else:
            self.wrong_method()


@caught("methods", "unknown_path_is_404", "unknown_path_is_404_for_other_methods_too")
class EveryPathIsHello(Good):
    """Answers every path, like a catch-all route."""

    def not_found(self) -> None:
        """Answer like ``/hello``."""
        self.answer(200, self.encode(HELLO))


@caught("methods", "unknown_path_is_404[/HELLO]", "unknown_path_is_404[/Sleep/5]")
class IgnoresCase(Good):
    """Ignores the case of paths."""

    def normal_path(self, path: str) -> str:
        """Return the path in lower case."""
        return path.lower()


@caught("methods", "unknown_path_is_404[/hello/x]", "unknown_path_is_404[/hellox]")
class MatchesThePrefix(Good):
    """Routes by the beginning of the path."""

    def normal_path(self, path: str) -> str:
        """Cut the path after ``/hello``."""
        return "/hello" if path.startswith("/hello") else path


@caught("methods", "unknown_path_is_404[/x/hello]", "unknown_path_is_404[/x/sleep/5]")
class MatchesTheSuffix(Good):
    """Routes by the end of the path, and so under every prefix."""

    def normal_path(self, path: str) -> str:
        """Cut off the prefix ``/x``."""
        return path.removeprefix("/x")
