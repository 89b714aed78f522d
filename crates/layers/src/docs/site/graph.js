// A graph of boxes in layers, from left to right: where boxes stand, and how they are drawn.
"use strict";

const BOX = { width: 216, head: 38, row: 22, gapX: 64, gapY: 18, margin: 16 };

/** Where boxes stand: each is right of all that it comes from, and near it. */
function layOut(boxes, edges) {
  const into = new Map(boxes.map((box) => [box.id, []]));
  const out = new Map(boxes.map((box) => [box.id, []]));
  for (const edge of edges) {
    if (edge.from === edge.to || !into.has(edge.from) || !into.has(edge.to)) continue;
    into.get(edge.to).push(edge.from);
    out.get(edge.from).push(edge.to);
  }
  // The longest way from a box without edges into it. A node is taken when all before it are.
  const rank = new Map();
  const waiting = new Map(boxes.map((box) => [box.id, into.get(box.id).length]));
  const ready = boxes.filter((box) => waiting.get(box.id) === 0).map((box) => box.id);
  for (const id of ready) rank.set(id, 0);
  while (ready.length > 0) {
    const id = ready.pop();
    for (const next of out.get(id)) {
      rank.set(next, Math.max(rank.get(next) || 0, rank.get(id) + 1));
      waiting.set(next, waiting.get(next) - 1);
      if (waiting.get(next) === 0) ready.push(next);
    }
  }
  // What nothing comes before stands right before its first reader, not far from it.
  for (const box of boxes) {
    if (into.get(box.id).length === 0 && out.get(box.id).length > 0) {
      rank.set(box.id, Math.max(0, Math.min(...out.get(box.id).map((id) => rank.get(id) || 0)) - 1));
    }
  }
  const layers = [];
  const put = (box, at) => (layers[at] = layers[at] || []).push(box);
  for (const box of boxes) put(box, rank.get(box.id) || 0);
  // A line over several layers has a place of its own in each, so that it runs between boxes.
  const via = new Map();
  for (const [to, before] of [...into]) {
    for (const from of [...new Set(before)]) {
      const [first, last] = [rank.get(from) || 0, rank.get(to) || 0];
      let previous = from;
      const bends = [];
      for (let at = first + 1; at < last; at += 1) {
        const bend = { id: "bend\n" + from + "\n" + to + "\n" + at, bend: true };
        put(bend, at);
        into.set(bend.id, [previous]);
        out.set(bend.id, []);
        out.get(previous).push(bend.id);
        bends.push(bend.id);
        previous = bend.id;
      }
      if (bends.length > 0) {
        out.get(previous).push(to);
        into.set(to, [...into.get(to).filter((id) => id !== from), previous]);
        out.set(from, out.get(from).filter((id) => id !== to));
        via.set(from + "\n" + to, bends);
      }
    }
  }
  const place = new Map();
  const number = (layer) => layer.forEach((box, index) => place.set(box.id, index / layer.length));
  const filled = layers.filter(Boolean);
  filled.forEach(number);
  // Boxes move towards the middle of what they are joined with, there and back, until lines cross less.
  for (let round = 0; round < 8; round += 1) {
    const forth = round % 2 === 0;
    const beside = forth ? into : out;
    for (const layer of forth ? filled : [...filled].reverse()) {
      const middle = new Map(
        layer.map((box) => {
          const places = beside.get(box.id).map((id) => place.get(id));
          return [box.id, places.length ? places.reduce((sum, at) => sum + at, 0) / places.length : place.get(box.id)];
        }),
      );
      layer.sort((a, b) => middle.get(a.id) - middle.get(b.id));
      number(layer);
    }
  }
  const height = (box) => box.bend ? 2 : BOX.head + (box.rows ? box.rows.length * BOX.row + 4 : 0);
  const tall = (layer) => layer.reduce((sum, box) => sum + height(box) + BOX.gapY, -BOX.gapY);
  const all = Math.max(0, ...filled.map(tall));
  const at = new Map();
  filled.forEach((layer, index) => {
    let y = BOX.margin + (all - tall(layer)) / 2;
    for (const box of layer) {
      at.set(box.id, { x: BOX.margin + index * (BOX.width + BOX.gapX), y, width: BOX.width, height: height(box) });
      y += height(box) + BOX.gapY;
    }
  });
  const width = filled.length * (BOX.width + BOX.gapX) - BOX.gapX + 2 * BOX.margin;
  return { at, via, width: Math.max(width, BOX.width), height: all + 2 * BOX.margin };
}

const short = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);

/**
 * A graph that can be moved and zoomed. `boxes`: `{id, name, kind, note, href, rows: [{key, name, href, marked}]}`;
 * `edges`: `{from, to, fromRow, toRow, kind}`; `focus`: the box to begin at; `full`: it has the page for itself.
 */
function graph({ boxes, edges, focus, full, label }) {
  const { at, via, width, height } = layOut(boxes, edges);
  const rowAt = (id, key) => {
    const box = boxes.find((one) => one.id === id);
    const index = key && box.rows ? box.rows.findIndex((row) => row.key === key) : -1;
    return index < 0 ? at.get(id).y + BOX.head / 2 : at.get(id).y + BOX.head + (index + 0.5) * BOX.row;
  };
  const near = (edge) => [edge.from, edge.to];
  const lines = edges
    .filter((edge) => at.has(edge.from) && at.has(edge.to))
    .map((edge) => {
      const bends = (via.get(edge.from + "\n" + edge.to) || []).map((id) => at.get(id));
      const start = { x: at.get(edge.from).x + BOX.width, y: rowAt(edge.from, edge.fromRow) };
      let line = `M${start.x},${start.y}`;
      let [x, y] = [start.x, start.y];
      for (const next of [...bends, { x: at.get(edge.to).x, y: rowAt(edge.to, edge.toRow), last: true }]) {
        const bend = Math.max(28, (next.x - x) / 2);
        line += ` C${x + bend},${y} ${next.x - bend},${next.y} ${next.x},${next.y}`;
        // Past the boxes of its layer it runs straight.
        [x, y] = [next.last ? next.x : next.x + BOX.width, next.y];
        if (!next.last) line += ` L${x},${y}`;
      }
      const path = s("path", {
        class: "edge " + (edge.kind || ""),
        d: line,
        "marker-end": "url(#arrow)",
      });
      return { path, ends: near(edge) };
    });
  const light = (id) => {
    for (const { path, ends } of lines) path.classList.toggle("lit", id !== null && ends.includes(id));
  };
  const drawn = boxes.map((box) => {
    const { x, y, width: wide, height: tall } = at.get(box.id);
    const rows = (box.rows || []).map((row, index) =>
      s("a", { href: row.href, class: "row" + (row.marked ? " marked" : ""), "aria-label": box.name + "." + row.name },
        s("rect", { x: x + 1, y: y + BOX.head + index * BOX.row, width: wide - 2, height: BOX.row, rx: 3 }),
        s("text", { x: x + 14, y: y + BOX.head + index * BOX.row + 15 }, short(row.name, 27)),
        s("title", {}, row.name)));
    return s("g", { class: "box " + box.kind + (box.id === focus ? " focus" : "") + (box.rows ? " open" : "") },
      s("rect", { class: "frame", x, y, width: wide, height: tall, rx: 6 }),
      s("a", { href: box.href, "aria-label": box.name, onfocus: () => light(box.id), onblur: () => light(null), onpointerenter: () => light(box.id), onpointerleave: () => light(null) },
        s("rect", { class: "head", x, y, width: wide, height: BOX.head, rx: 6 }),
        s("rect", { class: "band", x, y, width: 5, height: BOX.head, rx: 2 }),
        s("text", { class: "name", x: x + 14, y: y + 16 }, short(box.name, 25)),
        s("text", { class: "note", x: x + 14, y: y + 30 }, short(box.note || "", 31)),
        s("title", {}, box.name + (box.note ? " (" + box.note + ")" : ""))),
      rows);
  });
  const arrow = s("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
    s("path", { d: "M0,0.5 L7,4 L0,7.5 z" }));
  const picture = s("svg", { tabindex: "0", role: "group", "aria-label": (label || "Graph") + ": arrows move it, + and - zoom, 0 shows all" },
    s("defs", {}, arrow), lines.map((line) => line.path), drawn);
  return viewport(picture, { width, height, focus: at.get(focus), full });
}
