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

walkTo(0);
aroundTo(data.around.middle, data.around.middle);
