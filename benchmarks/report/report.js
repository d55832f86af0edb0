
// What a column means: where the pointer rests or the keyboard is, and for fingers at the mark beside the head.
(() => {
  const tip = document.getElementById("tip");
  let shown = null;
  let pinned = false;

  const hide = () => {
    tip.hidden = true;
    if (shown) shown.querySelector(".what").setAttribute("aria-expanded", "false");
    shown = null;
    pinned = false;
  };
  const show = (head) => {
    if (shown !== head) hide();
    shown = head;
    tip.replaceChildren(head.dataset.meaning);
    if (head.dataset.link) {
      const link = document.createElement("a");
      link.href = head.dataset.link;
      link.textContent = "How to read it";
      tip.append(" ", link);
    }
    tip.hidden = false;
    const place = head.getBoundingClientRect();
    const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = Math.max(8, Math.min(place.left, room)) + "px";
    const below = place.bottom + tip.offsetHeight < window.innerHeight;
    tip.style.top = (below ? place.bottom : Math.max(0, place.top - tip.offsetHeight)) + "px";
    head.querySelector(".what").setAttribute("aria-expanded", "true");
  };
  const leave = (event) => {
    const to = event.relatedTarget;
    if (!pinned && shown && !(to && (tip.contains(to) || shown.contains(to)))) hide();
  };
  for (const head of document.querySelectorAll("table[data-sortable] th[title]")) {
    head.dataset.meaning = head.title;
    head.removeAttribute("title");
    const what = document.createElement("button");
    what.type = "button";
    what.className = "what";
    what.textContent = "?";
    what.setAttribute("aria-label", "What is " + head.textContent.trim() + "?");
    what.setAttribute("aria-expanded", "false");
    head.append(what);
    head.addEventListener("mouseenter", () => show(head));
    head.addEventListener("mouseleave", leave);
    head.addEventListener("focusin", (event) => {
      if (event.target.matches(":focus-visible")) show(head);
    });
    head.addEventListener("focusout", leave);
    what.addEventListener("click", (event) => {
      if (pinned && shown === head) return hide();
      show(head);
      pinned = true;
      const link = tip.querySelector("a");
      if (event.detail === 0 && link) link.focus();
    });
  }
  tip.addEventListener("mouseleave", leave);
  tip.addEventListener("click", (event) => {
    if (event.target.closest("a")) hide();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !shown) return;
    const back = tip.contains(document.activeElement) ? shown.querySelector(".what") : null;
    hide();
    if (back) back.focus();
  });
  document.addEventListener("pointerdown", (event) => {
    if (pinned && !tip.contains(event.target) && !shown.contains(event.target)) hide();
  });
  window.addEventListener("scroll", () => !pinned && hide(), { passive: true });
})();

// Columns by choice, for all tables of a task.
for (const section of document.querySelectorAll("[data-columns]")) {
  const menu = section.querySelector(".columns");
  const boxes = Array.from(menu.querySelectorAll("input"));
  const all = menu.querySelector("[data-all]");
  const first = boxes.map((box) => box.checked);
  const apply = () => {
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    for (const cell of section.querySelectorAll("[data-figure]")) cell.hidden = !wanted.has(cell.dataset.figure);
    menu.querySelector("[data-count]").textContent = wanted.size + " of " + boxes.length + " figures";
    all.textContent = wanted.size < boxes.length ? "All" : "The first ones again";
  };
  menu.addEventListener("change", apply);
  all.addEventListener("click", () => {
    const every = boxes.every((box) => box.checked);
    boxes.forEach((box, i) => (box.checked = every ? first[i] : true));
    apply();
  });
  menu.hidden = !section.querySelector("[data-figure]");
  apply();
}

// What a link points into is unfolded.
(() => {
  const unfold = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    target.scrollIntoView();
  };
  window.addEventListener("hashchange", unfold);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.getAttribute("href") === location.hash) unfold();
  });
  unfold();
})();
