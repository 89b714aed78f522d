// What each page shows.
"use strict";

const STATUS = { success: "good", pass: "good", warn: "warn", error: "bad", fail: "bad", skipped: "off", "runtime error": "bad" };

const badge = (text, kind) => h("span", { class: "badge " + (kind || "") }, text);
const nodeLink = (id) => (NODES.has(id) ? h("a", { href: hash("node", id) }, NODES.get(id).label) : h("span", {}, id));
const columnLink = (key) => {
  const [id, column] = columnOf(key);
  const name = (NODES.has(id) ? NODES.get(id).name : id) + "." + column;
  return NODES.has(id) ? h("a", { href: hash("node", id, "column", column) }, name) : name;
};
const section = (title, id, ...content) => h("section", { id }, h("h2", {}, title), content);
const facts = (entries) =>
  h("dl", { class: "facts" }, entries.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
const listed = (ids) => (ids.length ? h("ul", { class: "plain" }, ids.map((id) => h("li", {}, nodeLink(id), " ", h("small", {}, NODES.get(id)?.type || "")))) : h("p", { class: "none" }, "None."));
const value = (one) => (typeof one === "string" ? one : JSON.stringify(one));

/** How a test went last, by its colour. */
function testBadge(id) {
  const node = NODES.get(id);
  const status = node.result?.status;
  const text = node.test?.kind || node.name;
  const told = node.name + ": " + (status || "not run yet") + (node.result?.message ? ", " + node.result.message : "");
  return h("a", { class: "badge " + (STATUS[status] || ""), href: hash("node", id), title: told, "aria-label": told }, text);
}

function columnTable(id, node, chosen) {
  if (node.columns.length === 0) return h("p", { class: "none" }, "No columns are known: build it, or describe them.");
  const rows = node.columns.map((column) => {
    const key = columnKey(id, column.name);
    const from = FROM.get(key) || [];
    const sources = from.slice(0, 4).map((entry, index) => [index ? ", " : "", columnLink(entry.key)]);
    if (from.length > 4) sources.push(`, ${from.length - 4} more`);
    return h("tr", { class: column.name === chosen ? "chosen" : null },
      h("td", {}, h("a", { href: hash("node", id, "column", column.name) }, column.name), column.tags.map((tag) => [" ", badge(tag)])),
      h("td", { class: "type" }, column.type || ""),
      h("td", { class: "text" }, markdown(column.description), sources.length ? h("p", { class: "from" }, "from ", sources) : null),
      h("td", {}, h("span", { class: "badges" }, testsOfColumn(id, column.name).map(testBadge))));
  });
  const head = ["Column", "Type", "Description", "Tests"].map((name) => h("th", { scope: "col" }, name));
  return h("div", { class: "wide" }, h("table", { class: "columns" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)));
}

function columnPanel(id, node, chosen) {
  const picture = columnGraph(id, chosen);
  const back = chosen === undefined ? null : h("a", { class: "button", href: hash("node", id) }, "All columns");
  const lineage = DATA.lineage[id];
  const influence = (lineage?.influence || []).map((one, index) => [index ? ", " : "", columnLink(columnKey(one.unique_id, one.column))]);
  let said = "Where each column comes from, and what reads it. Choose a column to follow it all the way.";
  if (chosen !== undefined) {
    const { up, down } = trace(columnKey(id, chosen));
    said = [h("strong", {}, chosen), ` comes from ${up.size - 1} columns and ${down.size - 1} come from it. `, badge("handed on", "direct"), " ", badge("computed", "derived")];
  }
  const nothing = node.type === "model" && lineage ? "No column of it comes from another: rows are counted, or the values stand in the SQL." : "Nothing is known of where its columns come from or go to.";
  return section("Lineage of columns", "columns-lineage",
    h("p", { class: "row-of" }, h("span", {}, said), back),
    picture || h("p", { class: "none" }, nothing),
    influence.length ? h("p", { class: "from" }, "Its rows are chosen, joined or grouped by ", influence, ".") : null);
}

function sqlPanel(node) {
  const texts = [["Source", node.raw], ["Compiled", node.compiled]].filter(([, text]) => text);
  if (texts.length === 0) return null;
  const shown = h("div", {});
  const buttons = texts.map(([name, text], index) =>
    h("button", { type: "button", "aria-pressed": String(index === 0), onclick: () => choose(index) }, name));
  const copy = h("button", { type: "button", onclick: (event) => {
    const at = buttons.findIndex((one) => one.getAttribute("aria-pressed") === "true");
    // A browser may refuse it to a page of files.
    navigator.clipboard?.writeText(texts[at][1]).then(() => { event.target.textContent = "Copied"; }, () => {});
  } }, "Copy");
  const choose = (index) => {
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === index)));
    shown.replaceChildren(sql(texts[index][1]));
  };
  choose(0);
  return section("SQL", "sql", h("div", { class: "row-of" }, h("span", { class: "switch" }, buttons), copy), shown);
}

function lastRun(node) {
  const result = node.result;
  if (!result) return node.type === "source" || node.type === "exposure" ? null : "not in the last run";
  const seconds = result.seconds === null ? "" : ` in ${result.seconds.toFixed(2)} s`;
  return [badge(result.status, STATUS[result.status]), seconds, result.at ? ", " + moment(result.at) : "", result.message ? ` (${result.message})` : ""];
}

function aboutNode(id, node) {
  const stored = node.rows === null ? null : `${number(node.rows)} rows, ${bytes(node.bytes)} in ${number(node.files)} files`;
  const freshness = node.freshness && [badge(node.freshness.status, STATUS[node.freshness.status]), node.freshness.max_loaded_at ? " newest row of " + moment(node.freshness.max_loaded_at) : ""];
  const owner = node.owner && [node.owner.name, node.owner.email].filter(Boolean).join(", ");
  return facts([
    ["Relation", node.relation && h("code", {}, node.relation)],
    ["Stored", stored],
    ["Last commit", node.committed_at && `${moment(node.committed_at)}, version ${node.version}`],
    ["Brought up to date by", node.way && inline(node.way)],
    ["Last run", lastRun(node)],
    ["Freshness", freshness],
    ["Tests", node.test && (node.test.attached ? [nodeLink(node.test.attached), node.test.column ? "." + node.test.column : ""] : null)],
    ["Severity", node.test?.severity],
    ["Owner", owner],
    ["Link", node.url && (/^https?:\/\//i.test(node.url) ? h("a", { href: node.url, rel: "noreferrer" }, node.url) : node.url)],
    ["File", h("code", {}, node.path)],
    ["Package", node.package],
    ...Object.entries(node.meta).map(([key, one]) => [key, value(one)]),
  ]);
}

/** A node, and one of its columns where one is chosen. */
function nodePage(id, chosen) {
  const node = NODES.get(id);
  if (!node) return h("p", {}, "There is no node ", h("code", {}, id), " in this project.");
  const tests = testsOf(id);
  const drawn = isDrawn(id);
  return [
    h("h1", {}, node.label),
    h("p", { class: "badges" }, badge(node.type, "type"), node.materialized && node.type === "model" ? badge(node.materialized) : null,
      node.tags.map((tag) => h("a", { class: "badge", href: hash("search", tag) }, "#" + tag))),
    h("div", { class: "description" }, node.description ? markdown(node.description) : h("p", { class: "none" }, "No description.")),
    aboutNode(id, node),
    node.type === "test" || node.type === "exposure" ? null : section("Columns", "columns", columnTable(id, node, chosen)),
    DATA.left_out[id] ? section("Without lineage", "errors", h("pre", { class: "error" }, DATA.left_out[id])) : null,
    drawn && node.type !== "exposure" ? columnPanel(id, node, chosen) : null,
    drawn ? section("Lineage", "lineage", nodeGraph(around(id, 2, 2), id, false), h("p", {}, h("a", { href: hash("graph", id) }, "Open in the graph"))) : null,
    sqlPanel(node),
    h("div", { class: "two" }, section("Depends on", "depends", listed(node.depends_on)), section("Referenced by", "referenced", listed(children(id)))),
    node.type === "test" || node.type === "exposure" ? null : section("Tests", "tests", tests.length ? testTable(tests) : h("p", { class: "none" }, "None.")),
  ];
}

function testTable(ids) {
  const rows = ids.map((id) => {
    const node = NODES.get(id);
    const failures = node.result?.failures;
    return h("tr", {},
      h("td", { class: "text" }, h("a", { href: hash("node", id) }, node.name)),
      h("td", {}, node.test?.column || ""),
      h("td", {}, node.result ? badge(node.result.status, STATUS[node.result.status]) : "not run"),
      h("td", {}, failures ? number(failures) + " rows" : ""));
  });
  const head = ["Test", "Column", "Last result", "Failing"].map((name) => h("th", { scope: "col" }, name));
  return h("div", { class: "wide" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)));
}

/** The first page: what there is, how the last run went, what is wrong. */
function homePage() {
  const count = (type) => [...NODES.values()].filter((node) => node.type === type).length;
  const kinds = ["source", "seed", "model", "snapshot", "test", "exposure", "analysis"].map((type) => [type, count(type)]).filter(([, many]) => many > 0);
  const results = [...NODES].filter(([, node]) => node.result);
  const wrong = results.filter(([, node]) => STATUS[node.result.status] === "bad" || STATUS[node.result.status] === "warn");
  const plural = (type, many) => (many === 1 ? type : type === "analysis" ? "analyses" : type + "s");
  const schemas = new Map();
  for (const [id, node] of NODES) {
    if (isDrawn(id) && node.schema) schemas.set(node.schema, [...(schemas.get(node.schema) || []), id]);
  }
  return [
    h("h1", {}, DATA.project),
    h("div", { class: "description" }, markdown(DATA.overview)),
    h("div", { class: "counts" }, kinds.map(([type, many]) => h("div", {}, h("strong", {}, number(many)), " ", plural(type, many)))),
    Object.keys(DATA.left_out).length ? section("Without lineage", "errors", Object.entries(DATA.left_out).map(([id, why]) => [h("p", {}, nodeLink(id)), h("pre", { class: "error" }, why)])) : null,
    section("Last run", "last-run",
      results.length === 0 ? h("p", { class: "none" }, "No results: run `build`, then `docs generate` once more.") : [
        h("p", {}, `${results.length - wrong.length} of ${results.length} nodes ended well`, DATA.results_at ? ", " + moment(DATA.results_at) : "", "."),
        wrong.length ? h("ul", {}, wrong.map(([id, node]) => h("li", {}, badge(node.result.status, STATUS[node.result.status]), " ", nodeLink(id), node.result.message ? ": " + node.result.message : ""))) : null,
      ]),
    section("Tables", "tables", [...schemas].sort().map(([schema, ids]) => h("details", { open: schemas.size < 8 && ids.length < 40 },
      h("summary", {}, schema, " ", h("small", {}, number(ids.length))),
      h("div", { class: "wide" }, h("table", { class: "tables" }, h("tbody", {}, ids.map((id) => {
        const node = NODES.get(id);
        return h("tr", {}, h("td", {}, h("a", { href: hash("node", id) }, inSchema(node))), h("td", {}, node.type === "model" ? node.materialized : node.type),
          h("td", { class: "right" }, node.rows === null ? "" : number(node.rows)), h("td", { class: "text" }, firstLine(node.description)));
      }))))))),
    h("p", { class: "from" }, `Generated ${moment(DATA.generated_at)} by goldrecord-layers ${DATA.version} for target ${DATA.target}.`),
  ];
}

const firstLine = (text) => inline((text || "").trim().split("\n")[0]);

/** The graph with the page for itself, around one node or whole. */
function graphPage(id, steps) {
  const many = [...NODES.keys()].filter(isDrawn).length;
  const [up, down] = (steps || "2,2").split(",").map((one) => (one === "all" ? Infinity : Number(one) || 0));
  const ids = around(id, up, down);
  const choose = (label, at, chosen) => h("label", {}, label + " ", h("select", { onchange: (event) => {
    const next = (steps || "2,2").split(",");
    next[at] = event.target.value;
    location.hash = hash("graph", id, next.join(","));
  } }, ["0", "1", "2", "3", "5", "all"].map((one) => h("option", { value: one, selected: (one === "all" ? Infinity : Number(one)) === chosen }, one))));
  const names = h("datalist", { id: "names" }, [...NODES].filter(([one]) => isDrawn(one)).map(([one, node]) => h("option", { value: node.label, "data-id": one })));
  const pick = h("input", { type: "search", list: "names", placeholder: "Around a node…", "aria-label": "Draw the graph around a node", value: id ? NODES.get(id)?.label : "", onchange: (event) => {
    const found = [...NODES].find(([one, node]) => isDrawn(one) && node.label === event.target.value);
    location.hash = found ? hash("graph", found[0]) : "#/graph";
  } });
  const drawn = !id && ids.length > 300 && steps !== "all"
    ? h("p", {}, "The whole project is large: name a node to see what is around it, or ", h("a", { href: "#/graph//all" }, "draw everything"), ".")
    : nodeGraph(ids, id, true);
  return [
    h("div", { class: "row-of graph-tools" }, pick, names, id ? [choose("Up", 0, up), choose("Down", 1, down), h("a", { class: "button", href: hash("node", id) }, "Page"), h("a", { class: "button", href: "#/graph" }, "Whole project")] : null,
      h("small", {}, `${number(ids.length)} of ${number(many)} nodes`)),
    drawn,
  ];
}

/** What was found. */
function searchPage(query) {
  const found = search(query);
  const marked = ({ text, word, field }) => {
    const at = text.toLowerCase().indexOf(word);
    const from = Math.max(0, at - 40);
    return h("span", { class: "where" }, field + ": ", from > 0 ? "…" : "", text.slice(from, at), h("mark", {}, text.slice(at, at + word.length)), text.slice(at + word.length, at + word.length + 60));
  };
  return [
    h("h1", {}, "Search"),
    h("p", { role: "status" }, `${number(found.length)} found for “${query}”`, found.length > 100 ? ", the best 100 are shown" : ""),
    h("ol", { class: "found" }, found.slice(0, 100).map(({ id, where }) =>
      h("li", {}, nodeLink(id), " ", badge(NODES.get(id).type, "type"), where.filter(({ field }) => field !== "name").map(marked)))),
  ];
}
