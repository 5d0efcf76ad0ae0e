"""Plots show what the runs know, in order, each with the same numbers as a table."""

import dataclasses
import itertools
import re
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from common.catalog.prices import load_prices
from common.project import ROOT
from common.records.figure import Metric
from common.records.load import Rate
from common.records.window import LoadStep
from loadtests.campaign.store import RunFolder
from loadtests.experiments.latency.experiment import opened
from loadtests.experiments.startup.records import StartupSummary
from loadtests.page.chart_kinds import NARROW, Axis, Bar, Dot, Series, bars, curves, dots, scatter
from loadtests.page.charts import Scale, fitted, text
from loadtests.page.model import make_page
from loadtests.page.plots import MOST, Plot
from loadtests.page.run_plots import MOST_CURVES, all_plots, climbs, latencies, starts
from loadtests.page.sources import Source, Sources
from tests.support.extras_records import extras_run, windows
from tests.support.pages import RATES, load_test, page_of, source_of, with_figures
from tests.support.records import NOON, cell, load, run, window
from tests.support.traffic_records import a_point, a_run, a_visit, answers

GOLDEN = ROOT / "tests" / "golden"


def test_rates_come_fastest_first_and_prices_cheapest_first() -> None:
    plots = {plot.id: plot for plot in all_plots(page_of())}
    assert [row[0] for row in plots["rate"].rows] == ["raw_asgi+u", "fast+u", "alike+u", "raw_wsgi+g", "slow+g"]
    assert plots["dollars"].rows[0][0] == "raw_asgi+u"


def test_every_plot_has_a_table_a_title_and_a_description() -> None:
    known = [(Metric.P99_S, 0.01), (Metric.COMPRESSED_BYTES, 5e7)]
    page = page_of(with_figures(load_test(), known, vcpu=1.0, load_share=0.5))
    plots = all_plots(page)
    assert [plot.id for plot in plots] == ["rate", "costs", "p99", "busy", "sizes", "dollars"]
    for plot in plots:
        assert len(plot.rows) >= len(RATES) - 1
        assert all(len(row) == len(plot.headings) for row in plot.rows), plot.id
        assert re.search(r"<title>[^<]+</title><desc>[^<]+</desc>", plot.svg), plot.id


def test_a_framework_without_a_floor_has_no_split_cost() -> None:
    plots = {plot.id: plot for plot in all_plots(page_of(load_test({"raw_x+u": 20_000, "a+g": 10_000})))}
    assert [row[0] for row in plots["costs"].rows] == ["raw_x+u"]


def test_both_parts_of_a_cost_are_of_one_load_test() -> None:
    newer = load_test({"fast+u": 20_000, "raw_asgi+u": 25_000}, id="newer", started_at=NOON.replace(day=9))
    plots = {plot.id: plot for plot in all_plots(page_of(newer, load_test()))}
    server, framework = next(row for row in plots["costs"].rows if row[0] == "fast+u")[1:3]
    assert float(server) == pytest.approx(1e6 / 40_000, rel=0.02)
    assert float(server) + float(framework) == pytest.approx(1e6 / 30_000, rel=0.02)


def test_each_stack_has_a_plot_of_what_additions_cost_it_by_the_newest_run() -> None:
    older, newer = (
        extras_run("a+x", "b+x", started_at=NOON),
        extras_run("b+x", id="newer", started_at=NOON.replace(day=9)),
    )
    sources = [
        Source.of(run, windows(run, 100, {"middleware-6": cost}, [1.0] * 8)) for run, cost in ((newer, 40), (older, 20))
    ]
    plots = {plot.title: plot for plot in all_plots(make_page(Sources(runs=sources), load_prices()))}
    dearest = {title: (plot.rows[-1][0], round(float(plot.rows[-1][1]))) for title, plot in plots.items()}
    assert dearest == {
        "What additions cost b+x": ("6 empty middlewares", 40),
        "What additions cost a+x": ("6 empty middlewares", 20),
    }
    assert len({plot.id for plot in plots.values()}) == 2


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("startup", "starts"), ("workers", "workers")],
)
def test_recorded_runs_of_other_experiments_are_drawn(folder: str, expected: str) -> None:
    source = Source.read(RunFolder(folder=GOLDEN / folder))
    plots = {plot.id: plot for plot in all_plots(make_page(Sources(runs=(source,)), load_prices()))}
    assert plots[expected].rows
    assert all(len(row) == len(plots[expected].headings) for row in plots[expected].rows)


def test_response_times_rise_to_one_and_throttling_is_marked() -> None:
    half = opened(Rate(share=0.5))
    of = replace(a_point(), traffic=[half])
    loads = [answers(0.002, 2000, throttled_s=0.5, throttled_periods=3) for _ in range(5)]
    made, visits = a_run([of]), [a_visit(of, number, {half.name: load}) for number, load in enumerate(loads, start=1)]
    plot = latencies(page_of(source_of(made, visits), load_test()))
    assert plot is not None
    assert plot.rows[0][3] == "25%"
    assert "throttled 25.0%" in plot.svg
    assert "latencies" not in {one.id for one in all_plots(page_of())}


def test_the_measured_steps_of_a_climb_become_a_curve() -> None:
    steps = [
        LoadStep(target=target, throughput_rps=rps, requests=100, p50_s=0.1, p99_s=0.1, generator_cpu_share=0.1)
        for target, rps in ((200.0, 1_900.0), (100.0, 1_000.0), (400.0, 2_000.0))
    ]
    unopened = LoadStep(
        target=800.0,
        throughput_rps=0.0,
        requests=0,
        p50_s=None,
        p99_s=None,
        generator_cpu_share=0.0,
        broken="500 of 800 connections were open after 1 s",
    )
    steps += [unopened, unopened]
    made = run([cell("a+u")], scenario="sleepers", rounds=5)
    plot = climbs(page_of(source_of(made, [window("a+u", number, load(steps=steps)) for number in range(1, 6)])))
    assert plot is not None
    assert [row[1:] for row in plot.rows] == [("100", "1,000"), ("200", "1,900"), ("400", "2,000")]
    assert "sleepers" in plot.title


def _of_latencies(count: int) -> Plot | None:
    half = opened(Rate(share=0.5))
    points = [replace(a_point(workers=number), traffic=[half]) for number in range(1, count + 1)]
    made = a_run(points)
    loads = {half.name: answers(0.002, 2000)}
    return latencies(page_of(source_of(made, [a_visit(one, n, loads) for one in points for n in range(1, 6)])))


def _of_starts(count: int) -> Plot | None:
    source = Source.read(RunFolder(folder=GOLDEN / "startup"))
    assert isinstance(source.summary, StartupSummary)
    summary = replace(source.summary, starts=[source.summary.starts[0]] * count)
    return starts(page_of(dataclasses.replace(source, summary=summary)))


def _of_climbs(count: int) -> Plot | None:
    steps = [LoadStep(target=one, throughput_rps=one, requests=100, p50_s=0.1, p99_s=0.1, generator_cpu_share=0.1)
             for one in (100.0, 200.0)]  # fmt: skip
    names = [f"stack{number}+u" for number in range(count)]
    made = run([cell(name) for name in names], scenario="sleepers", rounds=1)
    return climbs(page_of(source_of(made, [window(name, 1, load(steps=steps)) for name in names])))


@pytest.mark.parametrize(
    ("drawn", "most"), [(_of_latencies, MOST_CURVES), (_of_starts, MOST), (_of_climbs, MOST_CURVES)]
)
def test_a_plot_that_does_not_draw_everything_says_so(drawn: Callable[[int], Plot | None], most: int) -> None:
    whole, cut = drawn(most), drawn(most + 1)
    assert whole is not None
    assert cut is not None
    assert "Only the first" not in whole.caption
    assert cut.caption.endswith(f" Only the first {most} of {most + 1} are drawn; the report's tables have them all.")
    assert f"{most + 1} " not in str(re.findall("<desc>([^<]*)", cut.svg)), "described as drawn"


def test_a_logarithmic_axis_puts_equal_ratios_at_equal_distances() -> None:
    scale = fitted([10, 1000], 0, 300, log=True)
    assert scale(100) - scale(10) == pytest.approx(scale(1000) - scale(100), abs=0.2)


@pytest.mark.parametrize(
    ("low", "high", "log", "expected"),
    [
        (0, 100, False, [0, 20, 40, 60, 80, 100]),
        (0, 0.3, False, [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]),
        (4_000, 50_000, True, [5_000, 10_000, 20_000, 50_000]),
        (1, 1_000_000, True, [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000]),
    ],
)
def test_ticks_are_round(low: float, high: float, log: bool, expected: list[float]) -> None:  # noqa: FBT001
    assert Scale(low=low, high=high, start=0, end=1, log=log).ticks() == pytest.approx(expected)


def test_a_narrow_logarithmic_axis_has_ticks_all_the_same() -> None:
    assert len(Scale(low=30_000, high=34_000, start=0, end=1, log=True).ticks()) > 2


def test_a_long_name_is_cut_and_kept_in_its_tooltip() -> None:
    drawn = text(0, 0, "o" * 200)
    assert f">{'o' * 41}…<title>{'o' * 200}</title>" in drawn
    assert "<title>" not in text(0, 0, "short")


def test_a_phone_has_every_mark_and_name_within_its_width() -> None:
    for plot in all_plots(page_of(with_figures(load_test(), [(Metric.COMPRESSED_BYTES, 5e7)]))):
        assert f'viewBox="0 0 {NARROW.width} ' in plot.narrow
        places = [float(x) for x in re.findall(r'(?:cx|x)="([\d.]+)"', plot.narrow)]
        assert places
        assert max(places) < NARROW.width


def test_values_below_an_axis_are_left_out_where_they_would_overlap() -> None:
    rows = [Dot(label="a", value=10_000), Dot(label="b", value=90_000)]
    wide, narrow = (dots("t", "d", rows, Axis(label="x", log=True), **shape) for shape in ({}, {"shape": NARROW}))
    places = [float(x) for x in re.findall(r'<text x="([\d.]+)"[^>]*class="tick"', narrow)]
    assert all(later - earlier >= 46 for earlier, later in itertools.pairwise(places))
    assert len(places) <= wide.count('class="tick"')


def test_the_name_of_a_scattered_dot_stands_where_it_has_room() -> None:
    points = [(Dot(label="left" * 9, value=1.0), 1.0), (Dot(label="right" * 9, value=9.0), 2.0)]
    drawn = scatter("t", "d", points, Axis(label="x", zero=True), Axis(label="y"), shape=NARROW)
    assert re.search(r'text-anchor="start" class="name">left', drawn)
    assert re.search(r'text-anchor="end" class="name">right', drawn)


def test_charts_draw_a_single_value() -> None:
    assert "circle" in dots("t", "d", [Dot(label="a", value=1.0)], Axis(label="x", log=True))
    assert "rect" in bars("t", "d", [Bar(label="a", parts=[("server", 1.0)])], Axis(label="x"))
    assert "path" in curves("t", "d", [Series(label="a", points=[(1, 1)])], Axis(label="x", log=True), Axis(label="y"))


def test_a_start_is_replayed_for_as_long_as_it_took() -> None:
    svg = bars("t", "d", [Bar(label="a", parts=[("create", 0.2), ("bind", 0.5)])], Axis(label="s"), replay=True)
    assert "--for:0.200s;--after:0.000s" in svg
    assert "--for:0.500s;--after:0.200s" in svg
