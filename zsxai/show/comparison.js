
// Tabs: one prompt or all; on a narrow screen the first. Without a script all stand one under the other.
(() => {
  const list = document.querySelector("[role=tablist]");
  if (!list) return;
  const tabs = Array.from(list.querySelectorAll("[data-tab]"));
  const panels = Array.from(document.querySelectorAll("[data-panel]"));
  list.hidden = false;

  const choose = (tab) => {
    for (const other of tabs) {
      other.setAttribute("aria-selected", String(other === tab));
      other.tabIndex = other === tab ? 0 : -1;
    }
    for (const panel of panels) {
      panel.hidden = tab.dataset.tab !== "all" && panel.id !== tab.dataset.tab;
      if (panel.hidden) for (const player of panel.querySelectorAll("audio")) player.pause();
    }
  };

  for (const tab of tabs) tab.addEventListener("click", () => choose(tab));
  if (window.matchMedia("(max-width: 620px)").matches) choose(tabs[1]);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    choose(next);
    next.focus();
  });
})();
