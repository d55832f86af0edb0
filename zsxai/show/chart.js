// Numbers of windows over time: which window lies under the pointer, zoom, what the height stands for, lines on and off.
(() => {
  const STEPS = 30000, SIDE = 1000; // as zsxai/show/chart.py has them
  const LEAST = 4; // windows that fill the view at least

  const { clock } = zsxai;

  const decode = (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Float32Array.from({ length: bytes.length / 2 }, (_, i) => view.getInt16(2 * i, true) / STEPS);
  };

  class Chart {
    constructor(root) {
      this.root = root;
      for (const name of ["seconds", "window", "step", "last", "count"]) this[name] = Number(root.dataset[name]);
      this.plane = root.querySelector("[data-plane]");
      this.sheets = Array.from(root.querySelectorAll("[data-sheet]"));
      this.selected = root.querySelector("[data-selected]");
      this.readout = root.querySelector("[data-readout]");
      this.off = new Set();
      this.lines = Array.from(root.querySelectorAll("path[data-values]"), (path) => ({
        path,
        name: path.dataset.name,
        scale: path.closest("[data-of]"),
        faint: path.classList.contains("faint"),
        values: decode(path.dataset.values),
      }));
      this.scale = root.querySelector("[data-of]").dataset.of;
      this.show(0, this.seconds);
      this.listen();
      root.querySelector("[data-tools]").hidden = false;
      this.readout.textContent = "Point at the chart, or touch it: it tells its numbers.";
      for (const button of root.querySelectorAll("[data-zoom]")) {
        button.addEventListener("click", () => this.zoomBy(Number(button.dataset.zoom)));
      }
      const scales = root.querySelector("[data-scales]");
      if (scales) {
        scales.hidden = false;
        for (const button of scales.querySelectorAll("button")) {
          button.addEventListener("click", () => this.choose(button.dataset.scale));
        }
      }
      for (const item of root.querySelectorAll("[data-legend] li")) this.makeSwitch(item);
    }

    start(window) {
      return window === this.count - 1 ? this.last : window * this.step;
    }

    // Where the chart passes from a window to the next: midway between their middles.
    edge(window) {
      if (window <= 0) return 0;
      if (window >= this.count) return this.seconds;
      return (this.start(window - 1) + this.start(window) + this.window) / 2;
    }

    at(seconds) {
      if (this.count > 1 && seconds >= this.edge(this.count - 1)) return this.count - 1;
      return Math.min(Math.max(Math.round((seconds - this.window / 2) / this.step), 0), Math.max(0, this.count - 2));
    }

    locate(event) {
      const box = this.sheets[0].getBoundingClientRect();
      return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * this.seconds;
    }

    tell(event) {
      const window = this.at(this.locate(event));
      const start = this.start(window), stop = Math.min(start + this.window, this.seconds);
      const said = this.lines
        .filter((line) => line.scale.dataset.of === this.scale && !line.faint && !this.off.has(line.name))
        .map((line) => `${line.name} ${this.say(line, window)}`);
      this.readout.textContent = `${clock(start)}-${clock(stop)}: ${said.join(" · ")}`;
    }

    say(line, window) {
      const { low, high, percent } = line.scale.dataset;
      const value = Number(low) + line.values[window] * (Number(high) - Number(low));
      return percent ? `${Math.round(100 * value)}%` : value.toFixed(3).replace("-", "\u2212");
    }

    listen() {
      zsxai.listen(this.plane, this.selected, {
        tell: (event) => this.tell(event),
        select: (...ends) => this.zoomTo(...ends.map((e) => this.locate(e)).sort((a, b) => a - b)),
        click: (event) => {
          zsxai.seek(this.locate(event));
          zsxai.openTab(this.locate(event));
        },
        all: () => this.zoomBy(0),
      });
      new ResizeObserver(() => this.draw()).observe(this.plane);
    }

    zoomTo(from, to) {
      const span = Math.min(Math.max(to - from, Math.min(LEAST * this.step, this.seconds)), this.seconds);
      const start = Math.min(Math.max(0, (from + to - span) / 2), this.seconds - span);
      this.show(start, start + span);
    }

    // Zoom about the position where it is in view, else about the middle; 0 shows everything.
    zoomBy(factor) {
      if (!factor) return this.show(0, this.seconds);
      const [from, to] = this.view;
      const position = zsxai.position();
      const about = position > from && position < to ? position : (from + to) / 2;
      this.zoomTo(about - (about - from) * factor, about + (to - about) * factor);
    }

    // Bring a stretch into view, near enough to be seen.
    reveal(start, stop) {
      this.plane.scrollIntoView({ block: "nearest" });
      const [from, to] = this.view;
      const span = Math.max(stop - start, this.window), middle = (start + stop) / 2;
      if (to - from > 60 * span) this.zoomTo(middle - 12 * span, middle + 12 * span);
      else if (start < from || stop > to) this.zoomTo(middle - (to - from) / 2, middle + (to - from) / 2);
    }

    show(from, to) {
      this.view = [from, to];
      for (const sheet of this.sheets) {
        sheet.style.left = (-100 * from) / (to - from) + "%";
        sheet.style.width = (100 * this.seconds) / (to - from) + "%";
      }
      zsxai.drawTimes(this.root.querySelector("[data-time] svg"), from, to, true);
      this.draw();
    }

    draw() {
      const [from, to] = this.view;
      const first = this.at(from), last = this.at(to), columns = Math.max(100, Math.round(this.plane.clientWidth));
      const x = (seconds) => ((SIDE * (seconds - from)) / (to - from)).toFixed(1);
      const y = (value) => (SIDE * (1 - Math.min(Math.max(value, 0), 1))).toFixed(1);
      for (const line of this.lines) {
        if (line.scale.dataset.of !== this.scale || this.off.has(line.name)) continue;
        const points = [];
        if (last - first <= columns) {
          for (let i = first; i <= last; i++) {
            points.push(`${x(this.edge(i))},${y(line.values[i])}`, `${x(this.edge(i + 1))},${y(line.values[i])}`);
          }
        } else {
          // Of many windows each column's least and greatest value: nothing that sticks out is lost.
          for (let column = 0; column < columns; column++) {
            const seconds = from + ((to - from) * column) / columns;
            const next = this.at(from + ((to - from) * (column + 1)) / columns);
            let low = Infinity, high = -Infinity;
            for (let i = this.at(seconds); i <= next; i++) {
              low = Math.min(low, line.values[i]);
              high = Math.max(high, line.values[i]);
            }
            points.push(`${x(seconds)},${y(low)}`, `${x(seconds)},${y(high)}`);
          }
        }
        line.path.setAttribute("d", "M" + points.join("L"));
      }
    }

    choose(scale) {
      this.scale = scale;
      for (const part of this.root.querySelectorAll("[data-of], [data-words]")) {
        part.toggleAttribute("hidden", (part.dataset.of || part.dataset.words) !== scale);
      }
      for (const button of this.root.querySelectorAll("[data-scale]")) {
        button.setAttribute("aria-pressed", String(button.dataset.scale === scale));
      }
      this.draw();
    }

    makeSwitch(item) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "switch";
      button.title = "Show or hide";
      button.setAttribute("aria-pressed", "true");
      button.append(...item.firstElementChild.childNodes);
      item.replaceChildren(button);
      const name = item.dataset.name;
      button.addEventListener("click", () => {
        const hidden = !this.off.has(name);
        if (hidden) this.off.add(name);
        else this.off.delete(name);
        button.setAttribute("aria-pressed", String(!hidden));
        for (const part of document.querySelectorAll("path[data-name], rect[data-name], [data-peaks] li")) {
          if (part.dataset.name === name) part.toggleAttribute("hidden", hidden);
        }
        this.draw();
      });
    }

    follow(seconds) {
      const [from, to] = this.view;
      if (to - from > this.seconds - 1e-6 || (seconds >= from && seconds <= to)) return;
      this.zoomTo(seconds - (to - from) / 2, seconds + (to - from) / 2);
    }
  }

  const charts = Array.from(document.querySelectorAll("[data-chart]"), (root) => new Chart(root));

  // A peak in the list: its place on the chart, and its sound where the page holds it.
  for (const item of document.querySelectorAll("[data-peaks] li")) {
    const time = item.querySelector("[data-when]");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.title = "Show it on the chart, and play it where this page holds it";
    button.append(...time.childNodes);
    time.replaceChildren(button);
    button.addEventListener("click", () => {
      for (const other of document.querySelectorAll("[data-peaks] li")) other.removeAttribute("aria-current");
      item.setAttribute("aria-current", "true");
      for (const chart of charts) chart.reveal(Number(item.dataset.start), Number(item.dataset.stop));
      if (!zsxai.playAt(Number(item.dataset.from))) zsxai.seek(Number(item.dataset.from));
    });
  }

  // A part in the list of a whole recording: over and over, on the chart, and in the picture of its minute if there is one.
  for (const item of document.querySelectorAll("[data-parts] li")) {
    zsxai.makeLoop(item);
    item.querySelector("button").addEventListener("click", () => {
      const start = Number(item.dataset.start), stop = Number(item.dataset.stop);
      for (const chart of charts.filter((c) => zsxai.shown(c.root))) chart.reveal(start, stop);
      zsxai.openTab((start + stop) / 2);
    });
  }

  if (!document.querySelector("[data-picture]")) zsxai.zoomBy = (factor) => charts.forEach((chart) => chart.zoomBy(factor));
  document.addEventListener("position", (event) => {
    if (zsxai.playing()) for (const chart of charts) chart.follow(event.detail);
  });
})();
