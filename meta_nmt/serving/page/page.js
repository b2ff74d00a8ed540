"use strict";
const element = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
let limit = 2000, busy = false, shown = [];

function node(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function drawn(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function percent(weight) {
  return weight < 0.005 ? "<1 %" : `${Math.round(100 * weight)} %`;
}

function cut(text, width, letter = 8) {  // to about so many pixels, a letter taking so many
  const letters = Math.max(3, Math.floor((width - 6) / letter));
  return [...text].length > letters ? [...text].slice(0, letters - 1).join("") + "…" : text;
}

// A row for each piece: its name on the left, and a bar for each of its nearest tokens, as long as its share.
function draw(pieces) {
  const width = Math.max(260, element("picture").clientWidth || 600);
  const line = 20, gap = 14, left = 12, names = Math.min(150, width * 0.3), tokens = Math.min(130, width * 0.28);
  const start = left + names + tokens + 8, longest = width - start - 56;
  const svg = drawn("svg", {role: "img", "aria-labelledby": "picture-title"});
  svg.append(drawn("title", {id: "picture-title"}, "Each source piece with its nearest tokens and their shares; "
    + "the table below says the same"));
  let y = gap;
  pieces.forEach(({piece, nearest: all}, i) => {
    const nearest = all.filter(({weight}, j) => !j || weight >= 0.01);
    if (i) svg.append(drawn("line", {class: "rule", x1: left, x2: width - left, y1: y - gap / 2, y2: y - gap / 2}));
    svg.append(drawn("text", {class: "piece", x: left, y: y + 15}, cut(piece, names, 9.5)));
    if (!nearest.length) svg.append(drawn("text", {class: "share", x: left + names, y: y + 15}, "no vector"));
    nearest.forEach(({token, weight}, j) => {
      const row = y + j * line;
      svg.append(drawn("text", {x: left + names, y: row + 15}, cut(token, tokens)));
      svg.append(drawn("rect", {class: "bar", x: start, y: row + 3, height: line - 6, rx: 2,
        width: Math.max(1, longest * weight)}));
      svg.append(drawn("text", {class: "share", x: start + Math.max(1, longest * weight) + 6, y: row + 15},
        percent(weight)));
    });
    y += Math.max(1, nearest.length) * line + gap;
  });
  svg.setAttribute("viewBox", `0 0 ${width} ${y}`);
  element("picture").replaceChildren(svg);
}

function show(answer) {
  element("best").textContent = answer.text || "(nothing to translate)";
  element("best").lang = answer.target_lang;
  element("warnings").replaceChildren(...answer.warnings.map((warning) => node("li", warning)));
  element("nbest").tBodies[0].replaceChildren(...answer.hypotheses.map(({score, text, pieces, like}) => {
    const row = node("tr", undefined, like === null ? "" : "like");
    row.append(node("td", score.toFixed(3), "score"), node("td", text), node("td", pieces.join(" "), "pieces"));
    return row;
  }));
  element("pieces").tBodies[0].replaceChildren(...answer.pieces.map(({piece, nearest}) => {
    const row = node("tr"), near = nearest.map(({token, weight}) => `${token} ${percent(weight)}`).join(", ");
    row.append(node("td", piece, "piece"), node("td", near || "no vector"));
    return row;
  }));
  fold(true);
  element("result").hidden = false;
  shown = answer.pieces;
  draw(shown);
}

// Alternatives that differ from a better one in case, spaces and punctuation alone are hidden until they are asked for.
function fold(folded) {
  const alike = [...document.querySelectorAll("#nbest tr.like")], more = element("more");
  for (const row of alike) row.hidden = folded;
  more.hidden = !alike.length;
  more.setAttribute("aria-expanded", String(!folded));
  more.textContent = folded ? `Show ${alike.length} more that ${alike.length > 1 ? "differ" : "differs"} in case, spaces `
    + "or punctuation" : "Show fewer";
}

async function copy() {
  const button = element("copy");
  let done = false;
  try {
    await navigator.clipboard.writeText(element("best").textContent);
    done = true;
  } catch {  // a page without encryption, from another machine, has no clipboard, but may still copy what is selected
    getSelection().selectAllChildren(element("best"));
    done = document.execCommand("copy");
  }
  button.textContent = done ? "Copied" : "Not copied";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

function named(name, code) {
  return name === code ? code : `${name} (${code})`;
}

function say(message, error) {
  element("status").textContent = message;
  element("status").classList.toggle("error", Boolean(error));
}

function count() {
  const length = [...element("text").value].length;
  element("count").textContent = `${length.toLocaleString("en")} of ${limit.toLocaleString("en")} characters`;
}

async function ask(text) {
  const response = await fetch("/api/translate", {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({text, nbest: 5}),
  });
  const answer = await response.json().catch(() => ({detail: `the server answered ${response.status}`}));
  if (!response.ok) throw new Error(answer.detail);
  return answer;
}

async function translate() {
  if (busy) return;
  busy = true;
  element("go").setAttribute("aria-disabled", "true");
  say("Translating …");
  try {
    show(await ask(element("text").value));
    say("");
  } catch (error) {
    element("result").hidden = true;
    say(`Not translated: ${error.message}`, true);
  }
  busy = false;
  element("go").removeAttribute("aria-disabled");
}

element("copy").addEventListener("click", copy);
element("more").addEventListener("click", () => fold(element("more").getAttribute("aria-expanded") === "true"));
element("form").addEventListener("submit", (event) => { event.preventDefault(); translate(); });
element("text").addEventListener("input", count);
element("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); translate(); }
});
let width = 0;
addEventListener("resize", () => {
  if (shown.length && innerWidth !== width) { width = innerWidth; draw(shown); }
});
fetch("/api/model").then((response) => response.json()).then((model) => {
  limit = model.max_characters;
  const source = named(model.source_name, model.source_lang), target = named(model.target_name, model.target_lang);
  element("pair").textContent = `${source} to ${target}`;
  element("source").textContent = `in ${source}`;
  element("text").lang = model.source_lang;
  document.title = `Translate ${model.source_lang} to ${model.target_lang}`;
  count();
});
