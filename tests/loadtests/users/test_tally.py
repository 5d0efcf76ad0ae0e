"""Tallies are never reset: what was counted in between is the difference of two readings."""

from loadtests.users.tally import Tally, counted_between


def test_the_counts_between_two_readings_include_names_that_are_new_in_the_later_one() -> None:
    hello, slept = (Tally(method="GET", name=name) for name in ("/hello", "/sleep"))
    hello.count_good(0.001, 13)
    hello.count_lost("timeout")
    earlier = [hello.copy()]
    hello.count_good(0.002, 13)
    hello.count_wrong("status 503")
    slept.count_good(0.100, 17)
    done = counted_between(earlier, [hello, slept])
    assert (done.good, done.wrong, done.lost, done.body_bytes) == (2, 1, 0, 30)
    assert dict(done.failures) == {"status 503": 1}
    assert counted_between([hello, slept], [hello, slept]).good == 0
