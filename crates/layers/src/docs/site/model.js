// What data.js holds, with the indexes that pages ask.
"use strict";

const DATA = window.GOLDRECORD_DOCS;
const NODES = new Map(Object.entries(DATA.nodes));

/** Readers of each node, by unique id. */
const CHILDREN = new Map();
for (const [id, node] of NODES) {
  for (const parent of node.depends_on) {
    if (!CHILDREN.has(parent)) CHILDREN.set(parent, []);
    CHILDREN.get(parent).push(id);
  }
}

/** What a graph shows: everything but tests. */
const isDrawn = (id) => NODES.has(id) && NODES.get(id).type !== "test";
/** A name that is one of a kind in its schema: of two sources over one table, each its own. */
const inSchema = (node) => (node.type === "source" ? node.label.slice(node.schema.length + 1) : node.name);
const parents = (id) => (NODES.has(id) ? NODES.get(id).depends_on.filter(isDrawn) : []);
const children = (id) => (CHILDREN.get(id) || []).filter(isDrawn);
const testsOf = (id) => (CHILDREN.get(id) || []).filter((child) => NODES.get(child).type === "test");

/** A test of one column; tests without a column are the table's. */
const testsOfColumn = (id, column) =>
  testsOf(id).filter((test) => {
    const { attached, column: tested } = NODES.get(test).test || {};
    return attached === id && tested === column;
  });

// Columns are known by one text: the node's id, a line end, the column's name.
const columnKey = (id, column) => id + "\n" + column;
const columnOf = (key) => key.split("\n");

/** Where each column comes from, and where it goes: `{key, kind}` lists by column key. */
const FROM = new Map();
const TO = new Map();
const link = (map, key, entry) => {
  if (!map.has(key)) map.set(key, []);
  map.get(key).push(entry);
};
for (const [id, lineage] of Object.entries(DATA.lineage)) {
  for (const [column, origins] of Object.entries(lineage.columns)) {
    const key = columnKey(id, column);
    for (const origin of origins) {
      const from = columnKey(origin.unique_id, origin.column);
      link(FROM, key, { key: from, kind: origin.kind });
      link(TO, from, { key, kind: origin.kind });
    }
  }
}

/** Everything reached from `start` by `next`, at most `depth` steps away. */
function reached(start, next, depth) {
  const found = new Set(start);
  let edge = [...start];
  for (let step = 0; step < depth && edge.length > 0; step += 1) {
    const beyond = [];
    for (const at of edge) {
      for (const to of next(at)) {
        if (!found.has(to)) {
          found.add(to);
          beyond.push(to);
        }
      }
    }
    edge = beyond;
  }
  return found;
}

/** A column with all that it comes from and all that comes from it. */
function trace(key) {
  const keys = (map) => (at) => (map.get(at) || []).map((entry) => entry.key);
  const up = reached([key], keys(FROM), Infinity);
  const down = reached([key], keys(TO), Infinity);
  return { up, down, all: new Set([...up, ...down]) };
}

// What is searched, in the order of what counts most.
const FIELDS = [
  ["name", 100, (node) => [node.name, node.label]],
  ["tag", 40, (node) => node.tags],
  ["column", 30, (node) => node.columns.map((column) => column.name)],
  ["description", 15, (node) => [node.description, ...node.columns.map((column) => column.description)]],
  ["file", 8, (node) => [node.path]],
  ["SQL", 4, (node) => [node.raw]],
];
const SEARCHED = [...NODES].map(([id, node]) => ({
  id,
  fields: FIELDS.map(([field, weight, of]) => ({
    field,
    weight,
    texts: of(node).filter(Boolean).map((text) => ({ text, low: text.toLowerCase() })),
  })),
}));

/** Nodes with every word of the query, best first: `{id, score, where: [{field, text, word}]}`. */
function search(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  const found = [];
  for (const { id, fields } of SEARCHED) {
    let score = 0;
    const where = [];
    const all = words.every((word) => {
      let hit = false;
      for (const { field, weight, texts } of fields) {
        for (const { text, low } of texts) {
          if (!low.includes(word)) continue;
          score += low === word ? weight * 4 : low.startsWith(word) ? weight * 2 : weight;
          if (!hit || where.length < 3) where.push({ field, text, word });
          hit = true;
          break;
        }
      }
      return hit;
    });
    // A table is looked for more often than its tests.
    if (all) found.push({ id, score: NODES.get(id).type === "test" ? score / 8 : score, where });
  }
  return found.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
}
