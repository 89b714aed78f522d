// The page's frame: the tree, the search box, light and dark, and which page the hash names.
"use strict";

const main = document.getElementById("main");
const side = document.getElementById("side");
const box = document.getElementById("search");
const root = document.documentElement;
const menu = document.getElementById("menu");

/** What is kept between visits; a browser may refuse it to a page of files. */
const kept = {
  get(key) {
    try { return localStorage.getItem(key); } catch { return null; }
  },
  set(key, text) {
    try { localStorage.setItem(key, text); } catch { /* Then it holds for this visit. */ }
  },
};

/** Nodes as nested folders: `{folders: Map, nodes: [id]}`. */
function folders(pathOf) {
  const top = { folders: new Map(), nodes: [] };
  for (const [id, node] of NODES) {
    const path = isDrawn(id) && pathOf(node);
    if (!path) continue;
    let at = top;
    for (const name of path) {
      if (!at.folders.has(name)) at.folders.set(name, { folders: new Map(), nodes: [] });
      at = at.folders.get(name);
    }
    at.nodes.push(id);
  }
  return top;
}

const TREES = {
  Project: (node) => [node.package, ...node.path.split("/").slice(0, -1), ...(node.source ? [node.source] : [])],
  Schema: (node) => (node.relation ? [node.schema] : null),
};

function branch(tree, depth, small) {
  const inside = [...tree.folders].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, below]) =>
    h("li", {}, h("details", { open: depth === 0 || small }, h("summary", {}, name), branch(below, depth + 1, small))));
  const byName = [...tree.nodes].sort((a, b) => (NODES.get(a).name < NODES.get(b).name ? -1 : 1));
  return h("ul", {}, inside, byName.map((id) =>
    h("li", {}, h("a", { href: hash("node", id), "data-id": id, class: NODES.get(id).type }, inSchema(NODES.get(id))))));
}

function drawTree(name) {
  const tree = folders(TREES[name]);
  const few = [...NODES.keys()].filter(isDrawn).length < 200;
  const buttons = Object.keys(TREES).map((one) => h("button", { type: "button", "aria-pressed": String(one === name), onclick: () => {
    kept.set("goldrecord-tree", one);
    drawTree(one);
    show();
  } }, one));
  side.replaceChildren(h("div", { class: "switch" }, buttons), branch(tree, 0, few));
}

/** The node in the tree: opened, marked, in sight. */
function mark(id) {
  for (const link of side.querySelectorAll("[aria-current]")) link.removeAttribute("aria-current");
  const link = [...side.querySelectorAll("a")].find((one) => one.dataset.id === id);
  if (!link) return;
  link.setAttribute("aria-current", "page");
  for (let at = link.parentElement; at && at !== side; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  link.scrollIntoView({ block: "nearest" });
}

const decoded = (part) => {
  try { return decodeURIComponent(part); } catch { return part; }
};

let before = "";

/** The page that the hash names. */
function show() {
  const [page, id, what, column] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  let content;
  let title = DATA.project;
  if (page === "node") {
    content = nodePage(id, what === "column" ? column : undefined);
    title = (NODES.get(id)?.label || id) + (column ? "." + column : "") + " · " + DATA.project;
  } else if (page === "graph") content = graphPage(id, what);
  else if (page === "search") content = searchPage(id || "");
  else content = homePage();
  main.replaceChildren(...[content].flat(Infinity).filter(Boolean));
  main.classList.toggle("graph-page", page === "graph");
  document.title = title;
  mark(page === "node" ? id : null);
  side.classList.remove("shown");
  menu.setAttribute("aria-expanded", "false");
  if (page !== "search") box.value = "";
  else if (document.activeElement !== box) box.value = id || "";
  // Another column of the same page stays where the eyes are.
  const where = [page, id].join("/");
  if (page === "node" && where === before && column) document.getElementById("columns-lineage")?.scrollIntoView({ block: "start" });
  else if (where !== before && page !== "search") window.scrollTo(0, 0);
  else if (page === "node" && column) document.getElementById("columns-lineage")?.scrollIntoView({ block: "start" });
  before = where;
}

function setTheme(theme) {
  if (theme) root.dataset.theme = theme;
}

setTheme(kept.get("goldrecord-theme"));
document.getElementById("home").textContent = DATA.project;
document.getElementById("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  setTheme(dark ? "light" : "dark");
  kept.set("goldrecord-theme", root.dataset.theme);
});
menu.addEventListener("click", () => {
  menu.setAttribute("aria-expanded", String(side.classList.toggle("shown")));
});
box.addEventListener("input", () => {
  const to = box.value.trim() ? hash("search", box.value.trim()) : "#/";
  // Letters typed one after another are one step back.
  if (location.hash.startsWith("#/search")) {
    history.replaceState(null, "", to);
    show();
  } else location.hash = to;
});
box.addEventListener("keydown", (event) => {
  if (event.key === "Enter") main.querySelector(".found a")?.click();
  if (event.key === "ArrowDown") main.querySelector(".found a")?.focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") side.classList.remove("shown");
  if (event.key !== "/" || /INPUT|SELECT|TEXTAREA/.test(document.activeElement?.tagName || "")) return;
  event.preventDefault();
  box.focus();
});
window.addEventListener("hashchange", show);
drawTree(kept.get("goldrecord-tree") in TREES ? kept.get("goldrecord-tree") : "Project");
show();
