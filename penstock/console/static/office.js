/* The office's own script. Every page works without it; with it work in progress is followed, wide tables fit phones,
   and feedback can be decided from the keyboard. */
"use strict";

/* Wide tables: on a narrow screen the style sheet shows each row as a card, and each cell needs its column's name. */
function nameCells(root) {
  for (const table of root.querySelectorAll(".scroll > table")) {
    const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
    if (heads.length < 4) continue;
    table.classList.add("cards");
    table.setAttribute("role", "table");
    for (const group of table.querySelectorAll("thead, tbody, tfoot")) group.setAttribute("role", "rowgroup");
    for (const head of table.querySelectorAll("thead th")) head.setAttribute("role", "columnheader");
    for (const row of table.querySelectorAll("tr")) {
      row.setAttribute("role", "row");
      let column = 0;
      for (const cell of row.querySelectorAll(":scope > td")) {
        cell.setAttribute("role", "cell");
        if (cell.colSpan > 1) cell.classList.add("whole");
        else cell.dataset.label = heads[column] || "";
        column += cell.colSpan;
      }
    }
  }
}

/* Work in progress: HTML from the server, put in place; when work ends, the page's content is fetched again. */
let stream = null;

function follow() {
  const place = document.querySelector("[data-live]");
  if (stream) { stream.close(); stream = null; }
  if (!place || document.hidden || !window.EventSource) return;
  const mine = (stream = new EventSource(place.dataset.live));
  mine.addEventListener("jobs", (event) => { place.innerHTML = JSON.parse(event.data); });
  mine.addEventListener("ended", () => { renew(place); });
  mine.addEventListener("over", (event) => {
    mine.close();
    if (JSON.parse(event.data)) setTimeout(follow, 5000);
  });
  mine.onerror = () => {
    if (mine.readyState === EventSource.CLOSED && stream === mine) place.parentElement.classList.add("still");
  };
}

function isBeingFilledIn(main) {
  return [...main.querySelectorAll("input, select, textarea")].some((field) => {
    if (field.type === "hidden") return false;
    if (field === document.activeElement) return true;
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.tagName === "SELECT") return [...field.options].some((one) => one.selected !== one.defaultSelected)
      && field.selectedIndex !== 0;
    return field.value !== field.defaultValue;
  });
}

async function renew(place) {
  const main = document.querySelector("main");
  if (isBeingFilledIn(main)) { place.parentElement.classList.add("still"); return; }
  const url = new URL(location.href);
  url.searchParams.delete("done");
  const answer = await fetch(url, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("main");
  if (!fresh) return;
  const open = [...main.querySelectorAll("details")].map((one) => one.open);
  main.replaceWith(fresh);
  if (open.length === fresh.querySelectorAll("details").length)
    fresh.querySelectorAll("details").forEach((one, at) => { one.open = open[at]; });
  history.replaceState(null, "", url);
  nameCells(fresh);
  follow();
  again();
}

/* Feedback: j and k move, a accepts, r rejects. Not while something is typed. */
function keys(event) {
  const list = document.querySelector("[data-keys]");
  if (!list || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const cards = [...list.querySelectorAll("[data-card]")];
  const at = cards.indexOf(document.activeElement.closest("[data-card]"));
  const press = (name) => {
    const card = cards[Math.max(0, at)];
    const button = card && card.querySelector(`button[data-key="${name}"]`);
    if (button) button.click();
  };
  if (event.key === "j") cards[Math.min(cards.length - 1, at + 1)]?.focus();
  else if (event.key === "k") cards[Math.max(0, at - 1)]?.focus();
  else if (event.key === "a" || event.key === "r") press(event.key);
  else return;
  event.preventDefault();
}

/* Something on the page is being made: look again in a moment. */
function again() {
  const place = document.querySelector("[data-again]");
  if (place) setTimeout(() => renew(place), 3000);
}

/* On a phone the navigation scrolls sideways: where we are must be in sight. */
function showHere() {
  const nav = document.querySelector(".side nav");
  const here = nav?.querySelector("[aria-current]");
  if (here) nav.scrollLeft = here.offsetLeft - nav.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
}

nameCells(document);
showHere();
follow();
again();
if (location.hash) document.getElementById(location.hash.slice(1))?.focus?.();
document.addEventListener("visibilitychange", follow);
document.addEventListener("keydown", keys);
window.addEventListener("pagehide", () => { if (stream) stream.close(); });
