"""Servers that answer other methods or other paths wrongly."""

from common.contract import HELLO
from tests.common.conformance.faults import caught
from tests.common.conformance.good_server import Good


@caught("methods", "other_method_is_told_what_is_allowed")
class NoAllow(Good):
    """Refuses a method and does not say which it takes."""

    allow = None


@caught("methods", "other_method_is_told_what_is_allowed")
class AllowsWhatItRefuses(Good):
    """Lists the methods of the whole site."""

    allow = "GET, HEAD, POST, PUT, PATCH, DELETE"


@caught("methods", "other_method_is_405", "other_method_is_told_what_is_allowed")
class AcceptsPost(Good):
    """Answers whatever the method."""

    def accepts_method(self) -> bool:
        """All."""
        return True


@caught("methods", "other_method_is_405", "other_method_is_told_what_is_allowed")
class WrongMethodIs404(Good):
    """Takes another method for another path."""

    def wrong_method(self) -> None:
        """404."""
        self.not_found()


@caught("methods", "other_method_is_405")
class WrongMethodIs501(Good):
    """Knows no other methods."""

    def wrong_method(self) -> None:
        """501."""
        self.answer(501, self.encode({}), {"Allow": "GET"})


@caught("methods", "unknown_path_is_404")
class EveryPathIsHello(Good):
    """Answers whatever the path, as a catch-all route does."""

    def not_found(self) -> None:
        """A greeting."""
        self.answer(200, self.encode(HELLO))


@caught("methods", "unknown_path_is_404[/HELLO]", "unknown_path_is_404[/Sleep/5]")
class IgnoresCase(Good):
    """Routes whatever the case."""

    def normal_path(self, path: str) -> str:
        """In lower case."""
        return path.lower()


@caught("methods", "unknown_path_is_404[/hello/x]", "unknown_path_is_404[/hellox]")
class MatchesThePrefix(Good):
    """Routes by how the path starts."""

    def normal_path(self, path: str) -> str:
        """Without what follows."""
        return "/hello" if path.startswith("/hello") else path
