// Which boxes and lines the graphs of models and of columns have.
"use strict";

/** A node's box. */
function boxOf(id, rows) {
  const node = NODES.get(id);
  // A table that the project reads and does not describe.
  if (!node) return { id, name: id, kind: "unknown", note: "", href: "#/", rows };
  const note = node.type === "model" ? node.schema + " · " + node.materialized : node.type === "source" ? "source · " + node.schema : node.type;
  return { id, name: inSchema(node), kind: node.type + " " + (node.materialized || ""), note, href: hash("node", id), rows };
}

/** The nodes around one, so many steps up and down; without a node, all of them. */
function around(id, up, down) {
  if (!id) return [...NODES.keys()].filter(isDrawn);
  return [...new Set([...reached([id], parents, up), ...reached([id], children, down)])];
}

/** The graph of nodes. */
function nodeGraph(ids, focus, full) {
  const shown = new Set(ids);
  const edges = ids.flatMap((to) => parents(to).filter((from) => shown.has(from)).map((from) => ({ from, to })));
  const boxes = ids.map((id) => boxOf(id));
  return graph({ boxes, edges, focus, full, label: "Lineage of models" });
}

/** The graph of columns: of one column with all it comes from and goes to, or of a node's columns one step around. */
function columnGraph(id, column) {
  const node = NODES.get(id);
  const chosen = column === undefined ? node.columns.map((one) => columnKey(id, one.name)) : [columnKey(id, column)];
  const keys = (map) => (key) => (map.get(key) || []).map((entry) => entry.key);
  const depth = column === undefined ? 1 : Infinity;
  const shown = new Set([...reached(chosen, keys(FROM), depth), ...reached(chosen, keys(TO), depth)]);
  const tables = new Map();
  const edges = [];
  for (const key of shown) {
    const [table, name] = columnOf(key);
    if (!tables.has(table)) tables.set(table, []);
    tables.get(table).push({ key, name, href: hash("node", table, "column", name), marked: column !== undefined && chosen.includes(key) });
    for (const { key: from, kind } of FROM.get(key) || []) {
      if (shown.has(from)) edges.push({ from: columnOf(from)[0], to: table, fromRow: from, toRow: key, kind });
    }
  }
  // As in the table, where it is known.
  for (const [table, rows] of tables) {
    const order = new Map((NODES.get(table)?.columns || []).map((one, index) => [one.name, index]));
    rows.sort((a, b) => (order.get(a.name) ?? 1e6) - (order.get(b.name) ?? 1e6));
  }
  if (edges.length === 0) return null;
  const boxes = [...tables].map(([table, rows]) => boxOf(table, rows));
  return graph({ boxes, edges, focus: id, full: false, label: "Lineage of columns" });
}
