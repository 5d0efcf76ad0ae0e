"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("controls");
  const table = document.getElementById("stacks");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const region = table.parentElement;
  const statusLine = document.getElementById("status");
  const more = new Set(data.more);
  const rows = [...body.rows].map((element, place) => {
    const cells = {};
    for (const cell of element.querySelectorAll("[data-key]")) {
      cells[cell.dataset.key] = {
        element: cell, value: cell.dataset.value === "" ? null : Number(cell.dataset.value),
        shown: cell.textContent.trim(), title: cell.title, bars: [...cell.querySelectorAll("rect")].map((bar) =>
          [bar, bar.getAttribute("x") ?? "0", bar.getAttribute("width")]),
      };
    }
    return { element, place, cells, id: element.dataset.id, name: element.dataset.name,
             names: element.dataset.names, of: element.dataset };
  });
  const byId = new Map(rows.map((row) => [row.id, row]));

  // Ratios of the load test are paired within its rounds, so they are narrower than a ratio of two estimates.
  const pairs = new Map();
  for (const [a, b, estimate, low, high, equivalent] of data.pairs) {
    pairs.set(`${a} ${b}`, { estimate, low, high, equivalent });
    pairs.set(`${b} ${a}`, { estimate: 1 / estimate, low: high && 1 / high, high: low && 1 / low, equivalent });
  }
  const turned = ({ estimate, low, high, equivalent }) =>
    ({ estimate: 1 / estimate, low: high && 1 / high, high: low && 1 / low, equivalent });

  const ratioTo = (row, reference, key) => {
    if (!reference) return null;
    const one = row.cells[key], other = reference.cells[key];
    if (one.value === null || other.value === null || other.value <= 0 || one.value <= 0) return null;
    if (row === reference) return { estimate: 1, low: null, high: null };
    const pair = pairs.get(`${row.place} ${reference.place}`);
    if (pair && key === "rate") return pair;
    if (pair && key === "cost") return turned(pair);
    return { estimate: one.value / other.value, low: null, high: null, apart: apart(one, other) };
  };

  // Whether the two intervals, as they are drawn, have nothing in common.
  const apart = (...cells) => {
    const [a, b] = cells.map(({ bars }) => bars.slice(1).map(([, start, width]) => [parseFloat(start), parseFloat(start) + parseFloat(width)])[0]);
    return Boolean(a && b) && (a[1] < b[0] || b[1] < a[0]);
  };

  // Nothing is called better or worse whose intervals do not show it.
  const wordOf = (ratio, key) => {
    if (ratio.equivalent) return "equivalent";
    if (ratio.low ? ratio.low <= 1 && ratio.high >= 1 : !ratio.apart) return ratio.low ? "undecided" : "";
    return (ratio.estimate > 1) === more.has(key) ? "better" : "worse";
  };

  const percent = (log, widest) => 50 + 50 * Math.max(-1, Math.min(1, log / widest));

  let referred = "";
  const showRatios = (chosen) => {
    if (chosen === referred) return;
    referred = chosen;
    table.classList.toggle("ratios", Boolean(chosen));
    const referenceOf = (row) => byId.get(chosen === data.ownFloor ? row.of.floor : chosen);
    for (const key of Object.keys(rows[0]?.cells ?? {})) {
      const found = rows.map((row) => ratioTo(row, referenceOf(row), key));
      const widest = Math.max(0.1, ...found.map((one) => (one ? Math.abs(Math.log(one.estimate)) * 1.1 : 0)));
      rows.forEach((row, number) => showCell(row.cells[key], chosen, found[number], widest, key));
    }
  };

  const place = ([bar], start, width) => {
    bar.setAttribute("x", start);
    bar.setAttribute("width", width);
  };

  const showCell = (cell, chosen, ratio, widest, key) => {
    const { element, bars } = cell, word = ratio ? wordOf(ratio, key) : "";
    for (const one of ["better", "worse"]) element.classList.toggle(one, one === word);
    element.firstChild.data = !chosen ? cell.shown : ratio ? `${ratio.estimate.toFixed(2)} x ${word}`.trim() : "-";
    element.title = !ratio ? cell.title
      : ratio.low ? `${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)}, paired within rounds; ${cell.shown}`
      : `ratio of two estimates, without an interval; ${cell.shown}`;
    if (!bars.length) return;
    if (!ratio) {
      for (const one of bars) place(one, chosen ? 0 : one[1], chosen ? 0 : one[2]);
      return;
    }
    const [low, at, high] = [ratio.low ?? ratio.estimate, ratio.estimate, ratio.high ?? ratio.estimate]
      .map((one) => percent(Math.log(one), widest));
    place(bars[0], `${Math.min(50, at)}%`, `${Math.abs(at - 50)}%`);
    place(bars[1], `${low}%`, `${Math.max(1.2, high - low)}%`);
  };

  const stateNow = () => {
    const state = new URLSearchParams();
    for (const element of form.elements) {
      if (!element.name || element.name === "cols") continue;
      if (element.type === "checkbox") { if (element.checked) state.set(element.name, "1"); }
      else if (element.value) state.set(element.name, element.value);
    }
    const shown = [...form.querySelectorAll("[name=cols]:checked")].map((one) => one.value);
    if (shown.join() !== data.shown.join()) state.set("cols", shown.join("."));
    if (sorted) state.set("sort", (sorted.down ? "-" : "") + sorted.key);
    if (opened.size) state.set("open", [...opened.keys()].join(" "));
    return state;
  };

  let sorted = null;
  // Every view but each letter typed is a step that the browser's Back leads out of.
  const remember = (step = true) => {
    const text = stateNow().toString(), address = text ? `#${text}` : location.pathname + location.search;
    if (step && text !== location.hash.slice(1)) history.pushState({ ours: true }, "", address);
    else history.replaceState({ ours: true }, "", address);
  };

  const matches = (row, words) => {
    for (const select of form.querySelectorAll("select[data-filter]")) {
      if (select.value && row.of[select.dataset.filter] !== select.value) return false;
    }
    if (form.elements.best.checked && row.of.best !== "1") return false;
    return words.every((word) => row.names.includes(word));
  };

  const valueOf = (row, key) =>
    key === "name" ? row.name : key === "rank" ? (row.of.rank === "" ? null : Number(row.of.rank)) : row.cells[key].value;

  const compare = (key, down) => (a, b) => {
    const [one, other] = [valueOf(a, key), valueOf(b, key)];
    if (one === null || other === null) return (one === null) - (other === null) || a.place - b.place;
    const order = typeof one === "string" ? one.localeCompare(other) : one - other;
    return (down ? -order : order) || a.place - b.place;
  };

  const arrange = () => {
    const order = sorted ? [...rows].sort(compare(sorted.key, sorted.down)) : rows;
    const below = new Map([...opened.values()].map(({ row, line }) => [row, line]));
    body.replaceChildren(...order.flatMap((row) => below.has(row) ? [row.element, below.get(row)] : [row.element]));
    table.classList.toggle("by-rank", !sorted || sorted.key === "rank");
    for (const head of heads) {
      const key = head.dataset.sort;
      if (key) head.setAttribute("aria-sort", sorted?.key !== key ? "none" : sorted.down ? "descending" : "ascending");
    }
  };

  // A stack opens in a line of its own below its row; until then its part is below the table.
  const opened = new Map();
  const shownHeads = () => heads.filter((head) => !head.hidden).length;
  const parts = document.getElementById("each");
  const nameOf = (row) => row.element.querySelector("th a");
  const show = (id, row) => {
    const part = document.getElementById(`stack-${id}`)?.closest("details");
    row ??= rows.find((one) => nameOf(one).hash === `#stack-${id}`);
    if (!part || !row || opened.has(id)) return;
    const line = document.createElement("tr"), cell = line.insertCell();
    line.className = "detail";
    cell.colSpan = shownHeads();
    cell.append(part);
    part.open = true;
    row.element.after(line);
    row.element.classList.add("open");
    line.hidden = row.element.hidden;
    nameOf(row).setAttribute("aria-expanded", "true");
    opened.set(id, { row, line, part });
  };
  const hide = (id) => {
    const { row, line, part } = opened.get(id);
    opened.delete(id);
    part.open = false;
    parts.append(part);
    line.remove();
    row.element.classList.remove("open");
    nameOf(row).setAttribute("aria-expanded", "false");
  };

  const apply = () => {
    const words = form.elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = new Set([...form.querySelectorAll("[name=cols]:checked")].map((one) => one.value));
    for (const head of heads) if (head.dataset.key) head.hidden = !shown.has(head.dataset.key);
    for (const row of rows) for (const [key, cell] of Object.entries(row.cells)) cell.element.hidden = !shown.has(key);
    let count = 0;
    for (const row of rows) { row.element.hidden = !matches(row, words); count += !row.element.hidden; }
    for (const { row, line } of opened.values()) {
      line.hidden = row.element.hidden;
      line.cells[0].colSpan = shownHeads();
    }
    const { ref } = form.elements;
    showRatios(ref.value);
    statusLine.textContent = `${count} of ${rows.length} rows`
      + (ref.value ? `; ratios to ${ref.selectedOptions[0].text}; blue: better, orange: worse` : "");
    region.classList.remove("crowded");
    region.classList.toggle("crowded", table.scrollWidth > region.clientWidth);
  };

  const sortBy = (key) => {
    const down = sorted?.key === key ? !sorted.down : more.has(key);
    sorted = { key, down };
    arrange();
    remember();
  };

  const restore = (state) => {
    form.reset();
    sorted = null;
    const wanted = new Set((state.get("open") ?? "").split(" ").filter(Boolean));
    for (const [name, value] of state) {
      const element = form.elements[name];
      if (name === "sort") sorted = { key: value.replace(/^-/, ""), down: value.startsWith("-") };
      else if (name === "cols") {
        const chosen = value.split(".");
        for (const one of form.querySelectorAll("[name=cols]")) one.checked = chosen.includes(one.value);
      } else if (element?.type === "checkbox") element.checked = value === "1";
      else if (element && "value" in element) element.value = value;
    }
    for (const select of form.querySelectorAll("select")) if (select.selectedIndex < 0) select.value = "";
    if (sorted && !heads.some((head) => head.dataset.sort === sorted.key)) sorted = null;
    for (const id of [...opened.keys()]) if (!wanted.has(id)) hide(id);
    for (const id of wanted) show(id);
    arrange();
    apply();
  };

  // An address that was typed or followed leads to its stack; going back leaves the scrolling to the browser.
  const follow = ({ scroll }) => {
    const hash = decodeURIComponent(location.hash.slice(1));
    restore(hash.startsWith("stack-") ? new URLSearchParams({ open: hash.slice(6) }) : new URLSearchParams(location.hash.slice(1)));
    const [first] = opened.values();
    if (scroll && first) {
      first.row.element.scrollIntoView({ block: "center" });
      nameOf(first.row).focus({ preventScroll: true });
    }
  };

  for (const head of heads) {
    if (!head.dataset.sort) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.firstChild.data.trim();
    button.addEventListener("click", () => sortBy(head.dataset.sort));
    head.dataset.heading = button.textContent;
    head.firstChild.replaceWith(button);
  }
  for (const kind of ["input", "change"]) {
    form.addEventListener(kind, ({ target }) => { apply(); remember(target.name !== "q"); });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("click", (event) => {
    if (event.target.type !== "reset") return;
    event.preventDefault();
    restore(new URLSearchParams());
    remember();
  });
  for (const row of rows) {
    const name = nameOf(row), id = name.hash.slice("#stack-".length);
    name.setAttribute("aria-expanded", "false");
    name.addEventListener("click", (event) => {
      event.preventDefault();
      if (opened.get(id)?.row === row) hide(id);
      else {
        if (opened.has(id)) hide(id);
        show(id, row);
      }
      remember();
    });
  }
  document.addEventListener("toggle", ({ target }) => {
    const [id] = [...opened].find(([, { part }]) => part === target) ?? [];
    if (!id || target.open) return;
    const { row } = opened.get(id);
    hide(id);
    nameOf(row).focus();
    remember();
  }, true);
  window.addEventListener("popstate", (event) => follow({ scroll: !event.state }));
  for (const button of document.querySelectorAll("button.replay")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const figure = button.closest("figure");
      figure.classList.remove("replaying");
      void figure.offsetWidth;
      figure.classList.add("replaying");
    });
  }
  form.hidden = false;
  parts.hidden = true;
  follow({ scroll: true });
  history.replaceState({ ours: true }, "");
})();
