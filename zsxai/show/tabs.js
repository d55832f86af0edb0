// Prompts of one recording as tabs: without this script all of them stand one under the other.
(() => {
  const tabs = Array.from(document.querySelectorAll("[data-tabs] a"));
  const panels = tabs.map((tab) => document.getElementById(tab.hash.slice(1)));
  if (!tabs.length) return;

  // What plays in one panel goes on in the other: the same kind of player, at the same moment.
  const takeOver = (from, to) => {
    const playing = zsxai.playing();
    if (!playing || !from.contains(playing)) return;
    const kind = Array.from(from.querySelectorAll("audio")).indexOf(playing);
    const player = to.querySelectorAll("audio")[kind];
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
      panels[n].hidden = n !== number;
    });
    if (before && before !== chosen) takeOver(before, chosen);
  };

  tabs[0].closest("[data-tabs]").setAttribute("role", "tablist");
  tabs.forEach((tab, n) => {
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panels[n].id);
    panels[n].setAttribute("role", "tabpanel");
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
