"""A recommendation is one sentence that names its evidence."""

from loadtests.reports.latency import worker_sentences
from loadtests.summaries.workers import summarise
from tests.loadtests.summaries.test_workers import made


def test_a_recommendation_names_its_evidence() -> None:
    (sentence,) = worker_sentences(summarise(*made(0.5)).advice)
    assert sentence == (
        "a+b at 0.5 vCPU: use 1 worker. Others, relative to that: 2 workers: capacity x 0.90 (0.90 to 0.90), "
        "p99 x 1.00 (1.00 to 1.00), +15.0 MB."
    )


def test_a_recommendation_based_on_doubtful_numbers_says_so() -> None:
    (sentence,) = worker_sentences(summarise(*made(0.5, generator_cpu_s=1.9)).advice)
    assert "Not firm" in sentence
