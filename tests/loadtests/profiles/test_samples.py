"""Sampled call stacks become a tree in which every sample is counted once."""

from loadtests.profiles.flame import merged
from loadtests.profiles.owners import Frame, self_samples
from loadtests.profiles.sampling import parse_samples

TEXT = """\
process 7:"gunicorn: worker [app:app; x]";run (/env/site-packages/gunicorn/app.py:10);hello (/mine/app.py:3) 30
process 7:"gunicorn";run (/env/site-packages/gunicorn/app.py:10);parse (/env/h (1).py:5) 10
process 8:"nothing seen" 5
process 7:"gunicorn";run (/env/site-packages/gunicorn/app.py:10) 2
<module> (<frozen importlib>) 1
"""
RUN, HELLO = Frame("run", "/env/site-packages/gunicorn/app.py", 10), Frame("hello", "/mine/app.py", 3)


def test_processes_are_left_out_and_files_may_have_any_name() -> None:
    stacks = parse_samples(TEXT)
    assert [stack.samples for stack in stacks] == [30, 10, 2, 1]
    assert stacks[0].frames == (RUN, HELLO)
    assert stacks[1].frames[-1] == Frame("parse", "/env/h (1).py", 5)
    assert stacks[3].frames == (Frame("<module>", "<frozen importlib>", 0),)


def test_the_tree_counts_each_sample_once_at_every_level() -> None:
    root = merged(parse_samples(TEXT))
    assert root.samples == 43
    run = root.callees[RUN]
    assert (run.samples, run.callees[HELLO].samples) == (42, 30)


def test_a_function_has_the_samples_in_which_it_is_innermost() -> None:
    assert list(self_samples(parse_samples(TEXT)).items())[:3] == [
        (HELLO, 30), (Frame("parse", "/env/h (1).py", 5), 10), (RUN, 2),
    ]  # fmt: skip
