// Parts of a page as tabs: the prompts of one recording, or its minutes. Without this script all stand one under the other.
(() => {
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

  class Tabs {
    constructor(list) {
      this.list = list;
      this.tabs = Array.from(list.querySelectorAll("a"));
      this.panels = this.tabs.map((tab) => Array.from(document.querySelectorAll(`[data-panel="${tab.hash.slice(1)}"]`)));
      this.chosen = null;
      list.setAttribute("role", "tablist");
      this.tabs.forEach((tab, n) => this.listen(tab, n));
      this.choose(0);
    }

    listen(tab, n) {
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", this.panels[n][0].id);
      for (const part of this.panels[n]) part.setAttribute("role", "tabpanel");
      tab.addEventListener("click", (event) => {
        event.preventDefault();
        this.choose(n);
      });
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        event.stopPropagation();
        const next = (n + step + this.tabs.length) % this.tabs.length;
        this.tabs[next].focus();
        this.choose(next);
      });
    }

    choose(number) {
      const before = this.chosen;
      this.chosen = this.panels[number];
      this.tabs.forEach((tab, n) => {
        tab.setAttribute("aria-selected", String(n === number));
        tab.tabIndex = n === number ? 0 : -1;
        for (const part of this.panels[n]) part.hidden = n !== number;
      });
      if (before && before !== this.chosen) takeOver(before, this.chosen);
    }

    // Open the tab of a stretch of time that holds a moment, unless it is open already.
    open(seconds) {
      const holds = (tab) => Number(tab.dataset.from) <= seconds && seconds <= Number(tab.dataset.to);
      const found = this.tabs.findIndex(holds);
      if (found >= 0 && !this.tabs.some((tab) => holds(tab) && tab.getAttribute("aria-selected") === "true")) this.choose(found);
    }
  }

  const groups = Array.from(document.querySelectorAll("[data-tabs]"), (list) => new Tabs(list));
  zsxai.openTab = (seconds) => groups.filter((tabs) => zsxai.shown(tabs.list)).forEach((tabs) => tabs.open(seconds));
})();
