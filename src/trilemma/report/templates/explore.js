"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const by = (id) => document.getElementById(id);

function show(part, place) {
  by(`${part}-picture`).src = data[part].frames[place];
  by(`${part}-picture`).alt = `The picture at ${data[part].words[place]}.`;
  by(`${part}-said`).textContent = data[part].words[place];
}

const walk = by("walk");
function walkTo(place) {
  walk.value = place;
  walk.setAttribute("aria-valuetext", data.walk.words[place]);
  by("walk-place").textContent = `${place + 1} of ${data.walk.frames.length}`;
  show("walk", place);
}

let playing = 0;
function stop() {
  clearInterval(playing);
  playing = 0;
  by("play").textContent = "Play";
}
function next() {
  walkTo((Number(walk.value) + 1) % data.walk.frames.length);
}
by("play").addEventListener("click", () => {
  if (playing) return stop();
  playing = setInterval(next, data.walk.milliseconds);
  by("play").textContent = "Pause";
});
walk.addEventListener("input", () => {
  stop();
  walkTo(Number(walk.value));
});
for (const button of document.querySelectorAll("[data-at]")) {
  button.addEventListener("click", () => {
    stop();
    walkTo(Number(button.dataset.at));
  });
}

const row = by("row");
const column = by("column");
const side = data.around.side;
const cells = data.around.frames.map((frame, place) => {
  const cell = document.createElement("img");
  cell.src = frame;
  cell.alt = "";
  cell.className = by("around-picture").className;
  cell.addEventListener("click", () => aroundTo(Math.floor(place / side), place % side));
  by("map").append(cell);
  return cell;
});
function aroundTo(down, right) {
  for (const [slider, place] of [[row, down], [column, right]]) {
    slider.value = place;
    slider.setAttribute("aria-valuetext", data.around.steps[place]);
    by(`${slider.id}-place`).textContent = data.around.steps[place];
  }
  cells.forEach((cell, place) => cell.classList.toggle("here", place === down * side + right));
  show("around", down * side + right);
}
for (const slider of [row, column]) {
  slider.addEventListener("input", () => aroundTo(Number(row.value), Number(column.value)));
}

const told = document.querySelectorAll("[data-told]");
const knobs = document.querySelectorAll("[data-knob]");
function tell(knob, position) {
  told.forEach((picture, seed) => {
    picture.src = data.told[knob].frames[position][seed];
  });
  for (const one of knobs) {
    const mine = Number(one.dataset.knob) === knob;
    if (one.type === "range") {
      one.value = mine ? position : data.told[one.dataset.knob].at;
      const word = data.told[one.dataset.knob].words[one.value];
      one.setAttribute("aria-valuetext", word);
      one.parentElement.querySelector("output").textContent = word;
    } else {
      one.setAttribute("aria-pressed", String(Number(one.dataset.position) === position));
    }
  }
}
for (const one of knobs) {
  one.addEventListener(one.type === "range" ? "input" : "click", () => {
    tell(Number(one.dataset.knob), Number(one.type === "range" ? one.value : one.dataset.position));
  });
}

walkTo(0);
aroundTo(data.around.middle, data.around.middle);
