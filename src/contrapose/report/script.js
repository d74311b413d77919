"use strict";
(function () {
  const root = document.documentElement;
  const all = (selector, inside) => Array.from((inside || document).querySelectorAll(selector));
  const LIMIT = 8;

  const button = document.getElementById("theme");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  button.hidden = false;
  button.addEventListener("click", function () {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
  });

  const tip = document.getElementById("tip");
  function words(mark) {
    if (mark.dataset.tip !== undefined) return mark.dataset.tip;
    const texts = mark.closest(".seen").querySelector(".texts");
    return texts.children[Number(mark.dataset.i)].textContent;
  }
  function twins(mark, on) {
    if (mark.dataset.i === undefined) return;
    all('[data-i="' + Number(mark.dataset.i) + '"]', mark.closest(".seen")).forEach(function (twin) {
      twin.classList.toggle("on", on);
    });
  }
  let shown = null;
  function hide() {
    if (shown) twins(shown, false);
    shown = null;
    tip.hidden = true;
  }
  function show(mark, x, y) {
    hide();
    shown = mark;
    twins(mark, true);
    tip.textContent = words(mark);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.max(8, Math.min(x + 14, root.clientWidth - box.width - 8));
    const below = y + 18 + box.height < root.clientHeight;
    tip.style.left = left + "px";
    tip.style.top = Math.max(8, below ? y + 16 : y - box.height - 12) + "px";
  }
  function pointed(event) {
    const mark = event.target.closest ? event.target.closest("[data-tip], [data-i]") : null;
    if (mark) show(mark, event.clientX, event.clientY);
    else hide();
  }
  document.addEventListener("pointerover", pointed);
  document.addEventListener("pointerdown", pointed);
  document.addEventListener("scroll", hide, { passive: true });
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") hide();
  });

  function rows(filter) {
    const list = all(".row", filter.closest(".list"));
    const input = filter.querySelector("input");
    const output = filter.querySelector("output");
    const texts = list.map((row) => row.textContent.toLowerCase());
    const more = document.createElement("button");
    more.type = "button";
    more.className = "more";
    filter.closest(".list").querySelector(".rows").after(more);
    let whole = false;
    function draw() {
      const wanted = input.value.trim().toLowerCase();
      let found = 0;
      let drawn = 0;
      list.forEach(function (row, number) {
        const fits = texts[number].includes(wanted);
        found += fits ? 1 : 0;
        row.hidden = !fits || (!whole && drawn >= LIMIT);
        drawn += row.hidden ? 0 : 1;
      });
      output.textContent = found + " of " + list.length;
      more.hidden = drawn >= found;
      more.textContent = "Show all " + found;
    }
    more.addEventListener("click", function () {
      whole = true;
      draw();
    });
    input.addEventListener("input", draw);
    draw();
  }

  function map(filter) {
    const seen = filter.closest(".seen");
    const input = filter.querySelector("input");
    const output = filter.querySelector("output");
    const texts = Array.from(seen.querySelector(".texts").children, (item) => item.textContent.toLowerCase());
    const points = all("[data-i]", seen);
    input.addEventListener("input", function () {
      const wanted = input.value.trim().toLowerCase();
      points.forEach(function (point) {
        point.classList.toggle("off", wanted !== "" && !texts[Number(point.dataset.i)].includes(wanted));
      });
      const found = texts.filter((text) => text.includes(wanted)).length;
      output.textContent = wanted ? found + " of " + texts.length : "";
    });
  }
  all("[data-filter=rows]").forEach(rows);
  all("[data-filter=map]").forEach(map);
  all(".filter").forEach((filter) => filter.classList.add("ready"));

  let folded = [];
  window.addEventListener("beforeprint", function () {
    folded = all("details:not([open])");
    folded.forEach((details) => (details.open = true));
  });
  window.addEventListener("afterprint", function () {
    folded.forEach((details) => (details.open = false));
  });
})();
