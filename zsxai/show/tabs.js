// Prompts of one recording as tabs: without this script all of them stand one under the other.
(() => {
  const tabs = Array.from(document.querySelectorAll("[data-tabs] a"));
  const panels = tabs.map((tab) => Array.from(document.querySelectorAll(`[data-panel="${tab.hash.slice(1)}"]`)));
  if (!tabs.length) return;

  const sounds = (panel) => panel.flatMap((part) => Array.from(part.querySelectorAll("audio")));

  // What plays in one panel goes on in the other: the same kind of player, at the same moment.
  const takeOver = (from, to) => {
    const playing = zsxai.playing();
    const kind = sounds(from).indexOf(playing);
    if (kind < 0) return;
    const player = sounds(to)[kind];
    if (player) zsxai.play(player);
    else playing.pause();
  };

  let chosen = null;
  const choose = (number) => {
    const before = chosen;
    chosen = panels[number];
    tabs.forEach((tab, n) => {
      tab.setAttribute("aria-selected", String(n === number));
      tab.tabIndex = n === number ? 0 : -1;
      for (const part of panels[n]) part.hidden = n !== number;
    });
    if (before && before !== chosen) takeOver(before, chosen);
  };

  tabs[0].closest("[data-tabs]").setAttribute("role", "tablist");
  tabs.forEach((tab, n) => {
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panels[n][0].id);
    for (const part of panels[n]) part.setAttribute("role", "tabpanel");
    tab.addEventListener("click", (event) => {
      event.preventDefault();
      choose(n);
    });
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const next = (n + step + tabs.length) % tabs.length;
      tabs[next].focus();
      choose(next);
    });
  });
  choose(0);
})();
