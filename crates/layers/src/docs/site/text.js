// Descriptions (a safe part of Markdown) and SQL as elements.
"use strict";

const SAFE_LINK = /^(https?:\/\/|mailto:|#)/i;

// What stands inside a line, the first that matches wins.
const INLINE = [
  [/^`([^`]+)`/, (m) => h("code", {}, m[1])],
  [/^!\[([^\]]*)\]\(([^)\s]+)[^)]*\)/, (m) => (SAFE_LINK.test(m[2]) ? h("a", { href: m[2], rel: "noreferrer" }, m[1] || m[2]) : m[1])],
  [/^\[([^\]]+)\]\(([^)\s]+)[^)]*\)/, (m) => (SAFE_LINK.test(m[2]) ? h("a", { href: m[2], rel: "noreferrer" }, inline(m[1])) : m[1])],
  [/^\*\*(.+?)\*\*/, (m) => h("strong", {}, inline(m[1]))],
  [/^__(.+?)__(?!\w)/, (m) => h("strong", {}, inline(m[1]))],
  [/^\*([^*\s][^*]*)\*/, (m) => h("em", {}, inline(m[1]))],
  [/^https?:\/\/[^\s<>)"']+/, (m) => h("a", { href: m[0], rel: "noreferrer" }, m[0])],
  [/^\\([\\`*_[\]()#+.!-])/, (m) => m[1]],
];

function inline(text) {
  const found = [];
  let plain = "";
  for (let at = 0; at < text.length; ) {
    const rest = text.slice(at);
    const rule = INLINE.map(([pattern, make]) => [rest.match(pattern), make]).find(([match]) => match);
    if (rule) {
      if (plain) found.push(plain);
      plain = "";
      found.push(rule[1](rule[0]));
      at += rule[0][0].length;
    } else {
      plain += text[at];
      at += 1;
    }
  }
  if (plain) found.push(plain);
  return found;
}

const BULLET = /^\s*[-*+]\s+/;
const NUMBERED = /^\s*\d+[.)]\s+/;
const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

/** Markdown as elements: headings, paragraphs, lists, tables, quotes, code. HTML in it is text. */
function markdown(text) {
  const lines = String(text || "").replace(/\r/g, "").split("\n");
  const found = [];
  let at = 0;
  const take = (test) => {
    const taken = [];
    while (at < lines.length && test(lines[at])) taken.push(lines[at++]);
    return taken;
  };
  while (at < lines.length) {
    const line = lines[at];
    const heading = line.match(/^(#{1,6})\s+(.*)/);
    if (!line.trim()) at += 1;
    else if (/^\s*```/.test(line)) {
      at += 1;
      const code = take((next) => !/^\s*```/.test(next));
      at += 1;
      found.push(h("pre", {}, h("code", {}, code.join("\n"))));
    } else if (heading) {
      at += 1;
      found.push(h("h" + Math.min(6, heading[1].length + 2), {}, inline(heading[2])));
    } else if (/^\s*>/.test(line)) {
      const quoted = take((next) => /^\s*>/.test(next)).map((next) => next.replace(/^\s*>\s?/, ""));
      found.push(h("blockquote", {}, markdown(quoted.join("\n"))));
    } else if (BULLET.test(line) || NUMBERED.test(line)) {
      const mark = BULLET.test(line) ? BULLET : NUMBERED;
      const items = [];
      for (const next of take((next) => mark.test(next) || /^\s+\S/.test(next))) {
        if (mark.test(next)) items.push(next.replace(mark, ""));
        else items[items.length - 1] += " " + next.trim();
      }
      found.push(h(mark === BULLET ? "ul" : "ol", {}, items.map((item) => h("li", {}, inline(item)))));
    } else if (line.includes("|") && /^[\s|:-]+$/.test(lines[at + 1] || "") && lines[at + 1].includes("-")) {
      const [head, , ...rows] = take((next) => next.includes("|"));
      const row = (tag) => (of) => h("tr", {}, cells(of).map((cell) => h(tag, {}, inline(cell))));
      found.push(h("div", { class: "wide" }, h("table", {}, h("thead", {}, row("th")(head)), h("tbody", {}, rows.map(row("td"))))));
    } else {
      const first = at;
      const words = take((next) => next.trim() && (at === first || !/^(#{1,6}\s|\s*```|\s*>|\s*[-*+]\s|\s*\d+[.)]\s)/.test(next)));
      found.push(h("p", {}, inline(words.join(" "))));
    }
  }
  return found;
}

const SQL_PARTS =
  /(--[^\n]*|\/\*[\s\S]*?\*\/|\{#[\s\S]*?#\})|(\{\{[\s\S]*?\}\}|\{%[\s\S]*?%\})|('(?:[^']|'')*')|\b(select|from|where|group|by|order|having|join|left|right|full|inner|outer|cross|on|using|as|with|recursive|union|all|distinct|case|when|then|else|end|and|or|not|in|is|null|between|like|exists|over|partition|rows|range|limit|filter|cast|interval|true|false|asc|desc|values|except|intersect|qualify|unnest|lateral|window|preceding|following|current|row)\b/gi;
const SQL_CLASSES = [null, "comment", "jinja", "string", "keyword"];

/** SQL with its words in colour. */
function sql(text) {
  const found = [];
  let last = 0;
  for (const match of text.matchAll(SQL_PARTS)) {
    found.push(text.slice(last, match.index));
    const kind = match.findIndex((group, index) => index > 0 && group !== undefined);
    found.push(h("span", { class: SQL_CLASSES[kind] }, match[0]));
    last = match.index + match[0].length;
  }
  found.push(text.slice(last));
  return h("pre", { class: "sql", tabindex: "0" }, h("code", {}, found));
}
