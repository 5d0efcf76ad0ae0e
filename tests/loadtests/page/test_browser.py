"""The page in a real browser: sorting, filtering, ratios, addresses, without scripts, on a phone, dark, on paper."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from common.catalog.prices import load_prices
from common.project import ROOT
from common.records.figure import Metric
from loadtests.campaign.store import PUBLISHED, RunFolder
from loadtests.experiments.startup.records import StartupSummary
from loadtests.page.site import published_runs, write_site
from loadtests.page.sources import Source
from loadtests.page.writing import report
from tests.support.browsers import browser, complaints, logged, prefer, printed, resize, violations, visible
from tests.support.pages import ROWS, load_test, page_of, ranked_rows, with_figures
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.parallel]

RANKED = ["raw_asgi+u", "fast+u", "alike+u", "raw_wsgi+g", "slow+g"]
HOSTILE = ("<script>document.title='run'</script>+u", "\u202eright to left\u202c+u", f"{'long' * 50}+g")

IN_SIGHT = (
    "const {top, bottom} = document.querySelector('tr.open').getBoundingClientRect(); "
    "return top >= 0 && bottom <= innerHeight"
)
BLACK = 64
"""Shades of grey below this are black."""
MOST_ELEMENTS_OF_A_ROW = 40
"""Sorting takes longer the more there are: 360 rows took 0.11 s with 200 elements each, and 0.09 s with 25."""


@pytest.fixture(scope="module")
def chrome() -> Iterator[webdriver.Chrome]:
    with browser() as driver:
        yield driver


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / "report.html"
    known = [(Metric.START_S, 0.5), (Metric.P99_S, 0.01), (Metric.IDLE_BYTES, 2**25), (Metric.COMPRESSED_BYTES, 5e7)]
    file.write_text(report(page_of(with_figures(load_test(), known, vcpu=1.0, workers=1, load_share=0.5))))
    return file.as_uri()


@pytest.fixture
def page(chrome: webdriver.Chrome, address: str) -> webdriver.Chrome:
    """The page, opened anew."""
    chrome.get("about:blank")
    resize(chrome, 1400)
    chrome.get(address)
    return chrome


def names(driver: webdriver.Chrome) -> list[str]:
    return [one.text for one in visible(driver, "#stacks tbody th a")]


def opened(driver: webdriver.Chrome) -> list[str]:
    found = driver.find_elements(By.CSS_SELECTOR, "details.stack[open] > .about")
    return [str(one.get_attribute("id")) for one in found]


def choose(driver: webdriver.Chrome, name: str, value: str) -> None:
    Select(driver.find_element(By.NAME, name)).select_by_visible_text(value)


def cells(driver: webdriver.Chrome, key: str) -> list[str]:
    return [one.text for one in visible(driver, f"#stacks tbody td[data-key={key}]")]


def test_the_page_has_nothing_to_complain_of_and_requests_nothing(page: webdriver.Chrome) -> None:
    log = [json.loads(one)["message"] for one in logged(page, "performance")]
    requested = {one["params"]["request"]["url"] for one in log if one["method"] == "Network.requestWillBeSent"}
    assert not [url for url in requested if not url.startswith(("file:", "data:", "about:"))]
    assert len([url for url in requested if url.startswith("file:")]) == 1
    assert not complaints(page)


def test_rows_are_sorted_by_a_heading_and_the_other_way_by_the_same(page: webdriver.Chrome) -> None:
    assert names(page) == RANKED
    heading = page.find_element(By.CSS_SELECTOR, "th[data-sort=cost] button, th[data-sort=rate] button")
    heading.click()
    assert names(page)[0] == "raw_asgi+u"
    heading.click()
    assert names(page) == ["slow+g", "raw_wsgi+g", "alike+u", "fast+u", "raw_asgi+u"]
    assert page.find_element(By.CSS_SELECTOR, "th[data-sort=rate]").get_attribute("aria-sort") == "ascending"


def test_filters_leave_the_rows_that_match_all_of_them(page: webdriver.Chrome) -> None:
    page.find_element(By.CSS_SELECTOR, "#controls summary").click()
    choose(page, "interface", "asgi")
    assert names(page) == ["raw_asgi+u", "fast+u", "alike+u"]
    page.find_element(By.NAME, "q").send_keys("FAST")
    assert names(page) == ["fast+u"]
    assert page.find_element(By.ID, "status").text.startswith("1 of 5 rows")


def test_columns_are_chosen(page: webdriver.Chrome) -> None:
    assert not visible(page, "th[data-sort=cost]")
    page.find_element(By.CSS_SELECTOR, "#controls summary").click()
    page.find_element(By.CSS_SELECTOR, "[name=cols][value=cost]").click()
    assert visible(page, "th[data-sort=cost]")
    page.find_element(By.CSS_SELECTOR, "[name=cols][value=rate]").click()
    assert not cells(page, "rate")


def test_figures_become_ratios_to_the_floor_and_figures_again(page: webdriver.Chrome) -> None:
    before = cells(page, "rate")
    choose(page, "ref", "the floor on the same server")
    ratios = cells(page, "rate")
    assert ratios[0] == ratios[3] == "1.00 x"
    assert ratios[1] in {"0.74 x worse", "0.75 x worse", "0.76 x worse"}
    assert ratios[4] in {"0.49 x worse", "0.50 x worse", "0.51 x worse"}
    title = str(page.find_elements(By.CSS_SELECTOR, "#stacks tbody td[data-key=rate]")[1].get_attribute("title"))
    assert "paired within rounds" in title
    assert "ratios to the floor on the same server" in page.find_element(By.ID, "status").text
    choose(page, "ref", "nothing: figures as they are")
    assert cells(page, "rate") == before


def test_equivalent_stacks_are_marked_beside_their_reference(page: webdriver.Chrome) -> None:
    choose(page, "ref", "fast+u")
    words = dict(zip(names(page), cells(page, "rate"), strict=True))
    assert [name for name, text in words.items() if "equivalent" in text] == ["alike+u"]
    assert words["raw_asgi+u"].endswith("better")
    assert words["slow+g"].endswith("worse")


def test_a_view_is_sent_by_its_address(page: webdriver.Chrome) -> None:
    page.find_element(By.CSS_SELECTOR, "#controls summary").click()
    choose(page, "interface", "asgi")
    choose(page, "ref", "fast+u")
    page.find_element(By.CSS_SELECTOR, "[name=cols][value=cost]").click()
    page.find_element(By.CSS_SELECTOR, "th[data-sort=name] button").click()
    page.find_element(By.LINK_TEXT, "alike+u").click()
    address, seen = page.current_url, (names(page), cells(page, "rate"), cells(page, "cost"))
    assert address.partition("#")[2]
    page.get("about:blank")
    page.get(address)
    assert (names(page), cells(page, "rate"), cells(page, "cost")) == seen
    assert opened(page) == ["stack-alike-u-process"]
    assert page.current_url == address


def test_an_address_with_values_that_do_not_exist_shows_the_whole_table(page: webdriver.Chrome, address: str) -> None:
    page.get("about:blank")
    page.get(f"{address}#ref=nothing&sort=-nothing&unknown=1&interface=soap&q=")
    assert names(page) == RANKED
    assert not complaints(page)


def test_a_stack_is_opened_from_the_table_by_the_keyboard(page: webdriver.Chrome) -> None:
    page.find_element(By.LINK_TEXT, "slow+g").send_keys("\ue007")
    (line,) = visible(page, "#stacks tr.detail")
    assert "make loadtest FRAMEWORK=slow SERVER=g" in line.text
    name = page.find_element(By.LINK_TEXT, "slow+g")
    assert page.switch_to.active_element == name
    assert name.get_attribute("aria-expanded") == "true"
    above = line.find_element(By.XPATH, "preceding-sibling::tr[1]")
    assert above.get_attribute("data-name") == "slow+g"
    name.send_keys("\ue007")
    assert not opened(page)


def test_back_and_forward_lead_through_what_was_opened_and_chosen(page: webdriver.Chrome) -> None:
    page.find_element(By.LINK_TEXT, "fast+u").click()
    choose(page, "ref", "fast+u")
    page.back()
    assert (opened(page), cells(page, "rate")[1][-1].isdigit()) == (["stack-fast-u-process"], True)
    page.back()
    assert not opened(page)
    page.forward()
    assert opened(page) == ["stack-fast-u-process"]


@pytest.mark.parametrize("hash_", ["open=slow-g-process", "stack-slow-g-process"])
def test_an_address_that_is_changed_in_an_open_tab_opens_its_stack_and_scrolls_to_it(
    page: webdriver.Chrome, address: str, hash_: str
) -> None:
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 1400, "height": 300, "deviceScaleFactor": 1, "mobile": False}
    )
    for opening in (f"location.hash = '{hash_}'", f"location.href = '{address}#open=fast-u-process'"):
        page.execute_script("scrollTo(0, 0)")
        page.execute_script(opening)
        wait_until(lambda: len(opened(page)) == 1)
        wait_until(lambda: page.execute_script(IN_SIGHT))
    assert opened(page) == ["stack-fast-u-process"]
    page.get("about:blank")
    page.get(f"{address}#{hash_}")
    assert opened(page) == ["stack-slow-g-process"]
    assert page.execute_script(IN_SIGHT)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("published") / "report.html"
    file.write_text(report(published_runs(PUBLISHED, load_prices())[0].page))
    return file.as_uri()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(published_runs(PUBLISHED, load_prices()), folder)
    return folder


@pytest.mark.parametrize(
    ("screen", "top", "rows"), [((1400, 900), 300, 11), ((768, 1024), 400, 11), ((360, 740), 600, 2)]
)
def test_the_table_is_on_the_first_screen(
    chrome: webdriver.Chrome, published: str, screen: tuple[int, int], top: int, rows: int
) -> None:
    width, height = screen
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    chrome.get("about:blank")
    chrome.get(published)
    edges = chrome.execute_script(
        "return [...document.querySelectorAll('#stacks tbody tr')].map((one) => one.getBoundingClientRect())"
        ".map(({top, bottom}) => [top, bottom])"
    )
    assert edges[0][0] < top
    assert sum(bottom <= height for _, bottom in edges) >= rows


def test_paper_has_words_and_table_on_two_pages_and_every_plot_whole(
    chrome: webdriver.Chrome, published: str, tmp_path: Path
) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed: poppler-utils has it")
    chrome.get("about:blank")
    chrome.get(published)
    file = tmp_path / "report.pdf"
    file.write_bytes(printed(chrome))
    read = subprocess.run(["pdftotext", "-layout", str(file), "-"], check=True, capture_output=True, text=True)
    pages = read.stdout.split("\f")[:-1]
    first = next(number for number, text in enumerate(pages) if "Plots" in text)
    before = "".join(pages[:first])
    assert first <= 2
    assert "flask_restful" in before
    assert "Can these 3 runs be trusted?" in before
    for title, axis in (("Requests per second per vCPU", "req/s per vCPU, logarithmic"),
                        ("What a request costs in CPU time", "CPU µs/request")):  # fmt: skip
        (page,) = [text for text in pages[first:] if title in text]
        assert axis in page
    assert not any("Each stack" in text for text in pages), "closed stacks have nothing to print"
    assert _longest_black_run(file, tmp_path) < 0.1


def _longest_black_run(file: Path, folder: Path) -> float:
    """Return the longest black line from left to right on the first page, as a share of the page's width."""
    subprocess.run(["pdftoppm", "-r", "50", "-gray", "-l", "1", "-singlefile", file, folder / "page"], check=True)
    _, size, _, pixels = (folder / "page.pgm").read_bytes().split(b"\n", 3)
    width = int(size.split()[0])
    lines = ["".join("x" if dark < BLACK else " " for dark in pixels[at : at + width])
             for at in range(0, len(pixels), width)]  # fmt: skip
    return max(len(run) for line in lines for run in line.split(" ")) / width


def test_without_scripts_the_whole_table_is_there_and_stacks_open(address: str) -> None:
    with browser(scripts=False) as driver:
        driver.get(address)
        assert names(driver) == RANKED
        assert not visible(driver, "#controls")
        driver.find_element(By.LINK_TEXT, "slow+g").click()
        assert visible(driver, "#stack-slow-g-process table")
        driver.find_element(By.XPATH, "//*[@id='each']/details[2]/summary").click()
        assert len(opened(driver)) == 2
        driver.get("about:blank")
        driver.get(f"{address}#stack-slow-g-process")
        assert opened(driver) == ["stack-slow-g-process"]
        driver.get("about:blank")
        driver.get(address)
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        assert not visible(driver, "#each-stack")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 768, 360])
def test_nobody_is_kept_out(page: webdriver.Chrome, width: int, scheme: str) -> None:
    """axe-core looks at contrast, names, roles and order, with a stack and all numbers open."""
    resize(page, width)
    prefer(page, scheme)
    page.execute_script("for (const one of document.querySelectorAll('details:not(.stack)')) one.open = true")
    for name in ("fast+u", "slow+g"):
        page.find_element(By.LINK_TEXT, name).click()
    choose(page, "ref", "the floor on the same server")
    assert not violations(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 768, 360])
def test_nobody_is_kept_out_of_the_site(chrome: webdriver.Chrome, site: Path, width: int, scheme: str) -> None:
    resize(chrome, width)
    prefer(chrome, scheme)
    first_stack = min((site / "stacks").iterdir())
    for page in (site / "index.html", site / "history.html", site / "runs" / "hello-docker-all.html", first_stack):
        chrome.get(page.as_uri())
        assert not violations(chrome), page.name
        assert chrome.execute_script("return document.documentElement.scrollWidth") == width, page.name


@pytest.mark.parametrize("width", [768, 360])
def test_a_narrow_screen_shows_the_marks_of_every_plot(chrome: webdriver.Chrome, published: str, width: int) -> None:
    resize(chrome, width)
    chrome.get("about:blank")
    chrome.get(published)
    marks = visible(chrome, "#plots ~ .plots .dot, #plots ~ .plots rect")
    assert len(marks) > len(visible(chrome, "#plots ~ .plots figure"))
    assert all(mark.rect["x"] + mark.rect["width"] <= width for mark in marks)


@pytest.mark.parametrize("width", [768, 360])
def test_a_narrow_screen_scrolls_the_table_and_not_the_page(page: webdriver.Chrome, width: int) -> None:
    resize(page, width)
    page.find_element(By.CSS_SELECTOR, "#controls summary").click()
    for box in page.find_elements(By.CSS_SELECTOR, "[name=cols]:not(:checked)"):
        box.click()
    assert page.execute_script("return document.documentElement.scrollWidth") == width
    assert page.execute_script("const one = document.querySelector('.wide'); return one.scrollWidth > one.clientWidth")


def test_dark_surroundings_get_a_dark_page(page: webdriver.Chrome) -> None:
    prefer(page, "dark")
    colour = "return getComputedStyle(document.body).backgroundColor"
    assert page.execute_script(colour) == "rgb(20, 24, 28)"
    prefer(page, "light")
    assert page.execute_script(colour) == "rgb(255, 255, 255)"


def test_paper_gets_the_table_and_no_controls(page: webdriver.Chrome) -> None:
    assert printed(page).startswith(b"%PDF-")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not visible(page, "#controls")
    assert names(page) == RANKED
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_a_start_is_replayed_for_as_long_as_it_took(chrome: webdriver.Chrome, tmp_path: Path) -> None:
    source = Source.read(RunFolder(folder=ROOT / "tests" / "golden" / "startup"))
    file = tmp_path / "starts.html"
    file.write_text(report(page_of(source)))
    resize(chrome, 1400)
    chrome.get(file.as_uri())
    assert not chrome.execute_script("return document.getAnimations().length")
    visible(chrome, "button.replay")[0].click()
    ends_ms = chrome.execute_script(
        "return Math.max(...document.getAnimations().map((one) => one.effect.getComputedTiming().endTime))"
    )
    assert isinstance(source.summary, StartupSummary)
    longest_s = max(row.total_s.estimate for row in source.summary.starts if row.total_s)
    assert ends_ms == pytest.approx(1000 * longest_s, rel=0.2)


def test_hostile_names_are_shown_and_not_run(chrome: webdriver.Chrome, tmp_path: Path) -> None:
    file = tmp_path / "hostile.html"
    file.write_text(report(page_of(load_test(dict.fromkeys(HOSTILE, 10_000)))))
    resize(chrome, 360)
    chrome.get(file.as_uri())
    assert chrome.title == "Python API frameworks, per vCPU"
    assert sorted(names(chrome)) == sorted(HOSTILE)
    assert chrome.execute_script("return document.documentElement.scrollWidth") == 360


def test_rows_that_are_not_distinguished_from_many_others_stay_cheap_to_move(
    chrome: webdriver.Chrome, tmp_path: Path
) -> None:
    file = tmp_path / "large.html"
    file.write_text(report(ranked_rows()))
    chrome.get(file.as_uri())
    elements = chrome.execute_script("return document.querySelectorAll('#stacks tbody *').length")
    assert elements < MOST_ELEMENTS_OF_A_ROW * ROWS
