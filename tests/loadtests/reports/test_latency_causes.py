"""Each ratio is one sentence that names its reference."""

from loadtests.reports.latency import cause_sentences
from loadtests.summaries.causes import cause_ratios
from tests.loadtests.summaries.test_causes import made


def test_each_ratio_names_its_reference() -> None:
    run, visits = made()
    sentences = list(cause_sentences(run, cause_ratios(run, visits)))
    (proxied,) = [
        line for line in sentences if line.startswith("a+b, 1 vCPU, 1 worker, through docker-proxy, 20 a second")
    ]
    assert proxied.startswith("a+b, 1 vCPU, 1 worker, through docker-proxy, 20 a second: mean x 6.00 (6.00 to 6.00)")
    assert proxied.endswith("relative to a+b, 1 vCPU, 2048 MB, 1 worker")


def test_an_unknown_p99_ratio_is_left_out() -> None:
    run, visits = made(requests=100)
    assert not [line for line in cause_sentences(run, cause_ratios(run, visits)) if "p99" in line]
