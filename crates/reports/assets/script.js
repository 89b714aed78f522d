"use strict";
(() => {
  const root = document.documentElement;

  // Light or dark: the system's choice until the reader makes one.
  const button = document.getElementById("theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const label = () => { button.textContent = dark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Show in ${dark() ? "light" : "dark"} colours`); };
  try { const kept = localStorage.getItem("goldrecord-theme"); if (kept) root.dataset.theme = kept; } catch { /* a file opened without storage */ }
  button.hidden = false;
  label();
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("goldrecord-theme", root.dataset.theme); } catch { /* as above */ }
    label();
  });

  // Titles become labels and tooltips that also come by keyboard and touch.
  const tip = document.getElementById("tip");
  const show = (mark, x, y) => {
    tip.textContent = mark.getAttribute("aria-label");
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, x - width / 2), innerWidth - width - 8);
    const top = y - height - 14 > 4 ? y - height - 14 : y + 22;
    tip.style.transform = `translate(${left}px, ${top}px)`;
  };
  const hide = () => { tip.hidden = true; };
  for (const svg of document.querySelectorAll("svg[role=group]")) {
    const names = svg.querySelectorAll(":scope > title, :scope > desc");
    svg.setAttribute("aria-label", [...names].map((n) => n.textContent).join(". "));
    svg.removeAttribute("aria-labelledby");
    for (const name of names) name.remove();
    const marks = [...svg.querySelectorAll(".m")];
    marks.forEach((mark, i) => {
      const title = mark.querySelector("title");
      mark.setAttribute("aria-label", title.textContent);
      title.remove();
      mark.setAttribute("tabindex", i === 0 ? "0" : "-1");
      mark.addEventListener("pointermove", (e) => show(mark, e.clientX, e.clientY));
      mark.addEventListener("pointerdown", (e) => show(mark, e.clientX, e.clientY));
      mark.addEventListener("pointerleave", hide);
      mark.addEventListener("blur", hide);
      mark.addEventListener("focus", () => {
        if (!mark.matches(":focus-visible")) return;
        const box = mark.getBoundingClientRect();
        show(mark, box.left + box.width / 2, box.top);
      });
      mark.addEventListener("keydown", (e) => {
        const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
        if (e.key === "Escape") hide();
        const to = e.key === "Home" ? marks[0] : e.key === "End" ? marks.at(-1) : by && marks[i + by];
        if (!to) return;
        e.preventDefault();
        mark.setAttribute("tabindex", "-1");
        to.setAttribute("tabindex", "0");
        to.focus();
      });
    });
  }
  addEventListener("scroll", hide, { passive: true });

  // Lineage: what feeds a table, and what it feeds.
  const dag = document.querySelector(".lineage");
  if (dag) {
    const edges = [...dag.querySelectorAll(".edge")];
    const reach = (start, from, to) => {
      const seen = new Set([start]);
      for (const node of seen) for (const edge of edges) if (edge.dataset[from] === node) seen.add(edge.dataset[to]);
      return seen;
    };
    const nodes = [...dag.querySelectorAll(".node")];
    const id = (node) => node.querySelector(".box").dataset.node;
    const light = (node) => {
      const down = reach(id(node), "from", "to"), up = reach(id(node), "to", "from");
      dag.classList.add("lit");
      for (const other of nodes) other.classList.toggle("on", down.has(id(other)) || up.has(id(other)));
      for (const edge of edges) {
        const { from, to } = edge.dataset;
        edge.classList.toggle("on", (down.has(from) && down.has(to)) || (up.has(from) && up.has(to)));
      }
    };
    const dim = () => dag.classList.remove("lit");
    for (const node of nodes) {
      node.addEventListener("pointerenter", () => light(node));
      node.addEventListener("focus", () => light(node));
      node.addEventListener("pointerleave", dim);
      node.addEventListener("blur", dim);
    }
  }
})();
