"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("controls");
  const table = document.getElementById("stacks");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const statusLine = document.getElementById("status");
  const more = new Set(data.more);
  const started = new URLSearchParams(location.hash.slice(1));

  const rows = [...body.rows].map((element, place) => {
    const cells = {};
    for (const cell of element.querySelectorAll("[data-key]")) {
      cells[cell.dataset.key] = {
        element: cell, value: cell.dataset.value === "" ? null : Number(cell.dataset.value),
        shown: cell.textContent, title: cell.title, style: cell.getAttribute("style"),
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
    const own = row.cells[key].value, other = reference.cells[key].value;
    if (own === null || other === null || other <= 0 || own <= 0) return null;
    const pair = pairs.get(`${row.place} ${reference.place}`);
    if (pair && key === "rate") return pair;
    if (pair && key === "cost") return turned(pair);
    return { estimate: own / other, low: null, high: null, equivalent: false };
  };

  const percent = (log, widest) => 50 + 50 * Math.max(-1, Math.min(1, log / widest));

  let referred = null;
  const showRatios = (reference) => {
    if (reference === referred) return;
    referred = reference;
    table.classList.toggle("ratios", Boolean(reference));
    for (const key of Object.keys(rows[0]?.cells ?? {})) {
      const found = rows.map((row) => (reference ? ratioTo(row, reference, key) : null));
      const widest = Math.max(0.1, ...found.map((one) => (one ? Math.abs(Math.log(one.estimate)) * 1.1 : 0)));
      rows.forEach((row, number) => showCell(row.cells[key], reference, found[number], widest));
    }
  };

  const showCell = (cell, reference, ratio, widest) => {
    const element = cell.element;
    element.classList.toggle("equivalent", Boolean(ratio?.equivalent));
    element.textContent = !reference ? cell.shown : ratio ? `${ratio.estimate.toFixed(2)} x` : "-";
    element.title = !ratio ? cell.title
      : ratio.low ? `${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)}, paired within rounds; ${cell.shown}`
      : `ratio of two estimates, without an interval; ${cell.shown}`;
    if (cell.style === null) return;
    if (!ratio) { element.setAttribute("style", reference ? "--l:-9px;--w:0%;--e:-9px;--b:100%" : cell.style); return; }
    const [low, at, high] = [ratio.low ?? ratio.estimate, ratio.estimate, ratio.high ?? ratio.estimate]
      .map((one) => percent(Math.log(one), widest));
    const beside = 100 - percent(Math.log(1 + data.margin), widest);
    element.setAttribute("style", `--l:${low}%;--w:${high - low}%;--e:${at}%;--b:${beside}%`);
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
    const open = [...document.querySelectorAll("details.stack[open]")].map((one) => one.id.slice(6));
    if (open.length) state.set("open", open.join(" "));
    return state;
  };

  let sorted = null;
  const remember = () => {
    const text = stateNow().toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
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
    body.replaceChildren(...order.map((row) => row.element));
    for (const head of heads) {
      const key = head.dataset.sort;
      if (key) head.setAttribute("aria-sort", sorted?.key !== key ? "none" : sorted.down ? "descending" : "ascending");
    }
  };

  const apply = () => {
    const words = form.elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = new Set([...form.querySelectorAll("[name=cols]:checked")].map((one) => one.value));
    for (const head of heads) if (head.dataset.key) head.hidden = !shown.has(head.dataset.key);
    for (const row of rows) for (const [key, cell] of Object.entries(row.cells)) cell.element.hidden = !shown.has(key);
    let count = 0;
    for (const row of rows) { row.element.hidden = !matches(row, words); count += !row.element.hidden; }
    const reference = byId.get(form.elements.ref.value) ?? null;
    showRatios(reference);
    statusLine.textContent = `${count} of ${rows.length} rows`
      + (reference ? `; ratios to ${reference.name}; shaded: within ${Math.round(data.margin * 100)} %` : "");
  };

  const sortBy = (key) => {
    const down = sorted?.key === key ? !sorted.down : more.has(key);
    sorted = { key, down };
    arrange();
    remember();
  };

  const openPart = (id) => {
    const part = document.getElementById(id);
    if (part?.matches("details")) { part.open = true; part.scrollIntoView(); part.querySelector("summary").focus(); }
  };

  const restore = (state) => {
    for (const [name, value] of state) {
      const element = form.elements[name];
      if (name === "sort") sorted = { key: value.replace(/^-/, ""), down: value.startsWith("-") };
      else if (name === "cols") {
        const chosen = value.split(".");
        for (const one of form.querySelectorAll("[name=cols]")) one.checked = chosen.includes(one.value);
      } else if (name === "open") {
        for (const id of value.split(" ")) document.getElementById(`stack-${id}`)?.setAttribute("open", "");
      } else if (element?.type === "checkbox") element.checked = value === "1";
      else if (element && "value" in element) element.value = value;
    }
    if (sorted && !heads.some((head) => head.dataset.sort === sorted.key)) sorted = null;
  };

  for (const head of heads) {
    if (!head.dataset.sort) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent.trim();
    button.addEventListener("click", () => sortBy(head.dataset.sort));
    head.replaceChildren(button);
  }
  for (const kind of ["input", "change"]) form.addEventListener(kind, () => { apply(); remember(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.elements.floor.addEventListener("click", () => {
    form.elements.ref.value = form.elements.ref.value ? "" : data.floor;
    apply();
    remember();
  });
  form.addEventListener("reset", () => setTimeout(() => { sorted = null; arrange(); apply(); remember(); }));
  for (const link of document.querySelectorAll("a[href^='#stack-']")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      openPart(decodeURIComponent(link.hash.slice(1)));
      remember();
    });
  }
  document.addEventListener("toggle", (event) => { if (event.target.matches("details.stack")) remember(); }, true);
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
  restore(started);
  if (sorted) arrange();
  apply();
  if (location.hash.startsWith("#stack-")) openPart(decodeURIComponent(location.hash.slice(1)));
})();
