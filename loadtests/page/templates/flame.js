"use strict";
// Widens the function that is clicked to the whole width; the bars that do not belong to it or its callers are hidden.
for (const graph of document.querySelectorAll(".flame")) {
  const whole = graph.viewBox.baseVal.width;
  graph.addEventListener("click", (event) => {
    const chosen = event.target.closest("g");
    if (!chosen) return;
    const [left, wide, top] = ["x", "w", "y"].map((key) => Number(chosen.dataset[key]));
    for (const bar of graph.querySelectorAll("g")) {
      const [x, w, y] = ["x", "w", "y"].map((key) => Number(bar.dataset[key]));
      const caller = y < top && x <= left + 0.01 && x + w >= left + wide - 0.01;
      const callee = y >= top && x >= left - 0.01 && x + w <= left + wide + 0.01;
      bar.style.display = caller || callee ? "" : "none";
      const shownX = caller ? 0 : ((x - left) / wide) * whole;
      const shownW = caller ? whole : (w / wide) * whole;
      const rectangle = bar.querySelector("rect");
      rectangle.setAttribute("x", shownX);
      rectangle.setAttribute("width", shownW);
      let label = bar.querySelector("text");
      const name = bar.querySelector("title").textContent.split(" (")[0].split(": ")[0];
      const fits = Math.floor((shownW - 6) / 6.6);
      if (!label && fits > 3) {
        label = document.createElementNS("http://www.w3.org/2000/svg", "text");
        label.setAttribute("y", y + 12);
        bar.append(label);
      }
      if (label) {
        label.setAttribute("x", shownX + 3);
        label.textContent = name.length <= fits ? name : fits > 3 ? `${name.slice(0, fits - 1)}…` : "";
      }
    }
  });
}
