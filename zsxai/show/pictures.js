// Pictures that answer: numbers under the pointer, a line that moves, regions that play, zoom over seconds.
(() => {
  const LEVEL_STEP = 0.5, LEVELS = 160, MASK_STEP = 0.01, KEPT_STEP = 0.25, NOTHING = 255; // as raster.data_png
  const SVG = document.querySelector("svg")?.namespaceURI;
  const LEAST = 0.005; // as zsxai/regions.py has it
  const RAGGED = 0.06, LISTED = 3;
  const minus = (text) => text.replace("-", "\u2212");
  const hertzWords = (hertz) => Math.round(hertz).toLocaleString("en");

  // The numbers of a picture, from the lowest row, and what is computed of them.
  class Numbers {
    constructor(image, hertz, seconds, from = 0) {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [this.columns, this.rows] = [image.naturalWidth, image.naturalHeight];
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      this.pixels = context.getImageData(0, 0, this.columns, this.rows).data;
      this.hertz = hertz;
      this.seconds = seconds;
      this.from = from; // where in the recording it starts
    }

    // Pixel index of a row (0 is the highest) and a column.
    at(row, column) {
      return 4 * (row * this.columns + column);
    }

    read(x, y) {
      const column = Math.min(this.columns - 1, Math.max(0, Math.floor(x * this.columns)));
      const row = Math.min(this.rows - 1, Math.max(0, Math.floor(y * this.rows)));
      const [level, mask, kept] = this.pixels.subarray(this.at(row, column));
      const up = this.rows - 1 - row;
      return {
        seconds: this.from + x * this.seconds,
        hertz: (this.hertz[up] + this.hertz[up + 1]) / 2,
        level: (level - LEVELS) * LEVEL_STEP,
        mask: mask * MASK_STEP,
        kept: kept === NOTHING ? -Infinity : -kept * KEPT_STEP,
      };
    }

    // Which pixels keep at least so much of their level.
    inside(line) {
      const most = Math.floor(-line / KEPT_STEP);
      const found = new Uint8Array(this.rows * this.columns);
      for (let i = 0; i < found.length; i++) found[i] = this.pixels[4 * i + 2] <= most ? 1 : 0;
      return found;
    }

    // Part of the pixels that border on another side of the line.
    crossings(inside) {
      let count = 0;
      for (let row = 0; row < this.rows; row++) {
        for (let column = 0; column < this.columns; column++) {
          const i = row * this.columns + column;
          if (column + 1 < this.columns && inside[i] !== inside[i + 1]) count++;
          if (row + 1 < this.rows && inside[i] !== inside[i + this.columns]) count++;
        }
      }
      return count / (2 * inside.length);
    }

    // Connected parts (neighbours share a side), those that keep most power first.
    regions(line) {
      const left = this.inside(line);
      const { columns, rows } = this;
      const parts = [];
      const stack = new Int32Array(left.length);
      for (let first = 0; first < left.length; first++) {
        if (!left[first]) continue;
        const part = { low: rows, high: -1, start: columns, stop: -1, kept: 0, whole: 0 };
        let depth = 0;
        const visit = (i) => {
          left[i] = 0;
          stack[depth++] = i;
        };
        visit(first);
        while (depth) {
          const i = stack[--depth];
          const row = Math.floor(i / columns), column = i % columns, up = rows - 1 - row;
          const [power, kept] = this.powers(i, up);
          part.whole += power;
          part.kept += kept;
          part.low = Math.min(part.low, up);
          part.high = Math.max(part.high, up);
          part.start = Math.min(part.start, column);
          part.stop = Math.max(part.stop, column);
          if (column > 0 && left[i - 1]) visit(i - 1);
          if (column + 1 < columns && left[i + 1]) visit(i + 1);
          if (row > 0 && left[i - columns]) visit(i - columns);
          if (row + 1 < rows && left[i + columns]) visit(i + columns);
        }
        parts.push(part);
      }
      this.total ??= this.keptPower();
      return parts
        .sort((a, b) => b.kept - a.kept)
        .map((part) => ({
          start: this.from + (part.start / columns) * this.seconds,
          stop: this.from + ((part.stop + 1) / columns) * this.seconds,
          low: this.hertz[part.low],
          high: this.hertz[part.high + 1],
          share: this.total ? part.kept / this.total : 0,
          under: part.kept ? Math.max(0, 10 * Math.log10(part.whole / part.kept)) : 0,
        }))
        .filter((region, n) => n === 0 || region.share >= LEAST);
    }

    // Power of a pixel and what is kept of it: a pixel holds the mean over its hertz.
    powers(i, up) {
      const power = 10 ** (((this.pixels[4 * i] - LEVELS) * LEVEL_STEP) / 10) * (this.hertz[up + 1] - this.hertz[up]);
      const kept = this.pixels[4 * i + 2];
      return [power, kept === NOTHING ? 0 : power * 10 ** ((-kept * KEPT_STEP) / 10)];
    }

    keptPower() {
      let total = 0;
      for (let i = 0; i < this.rows * this.columns; i++) {
        total += this.powers(i, this.rows - 1 - Math.floor(i / this.columns))[1];
      }
      return total;
    }

    drawEdge(canvas, inside) {
      const { columns, rows } = this;
      [canvas.width, canvas.height] = [columns, rows];
      const context = canvas.getContext("2d");
      const image = context.createImageData(columns, rows);
      const border = (row, column) =>
        (row > 0 && !inside[(row - 1) * columns + column]) ||
        (row + 1 < rows && !inside[(row + 1) * columns + column]) ||
        (column > 0 && !inside[row * columns + column - 1]) ||
        (column + 1 < columns && !inside[row * columns + column + 1]);
      for (let i = 0; i < inside.length; i++) {
        if (inside[i] && border(Math.floor(i / columns), i % columns)) image.data.fill(255, 4 * i, 4 * i + 4);
      }
      context.putImageData(image, 0, 0);
    }
  }

  const perCent = (part) => (part > 0 && part < 0.005 ? "<1%" : `${Math.round(100 * part)}%`);

  const moment = (seconds, clocked) => (clocked ? zsxai.clock(seconds, 2) : seconds.toFixed(2));
  const say = (region, clocked) =>
    `${moment(region.start, clocked)}-${moment(region.stop, clocked)}${clocked ? "" : " s"}, ${hertzWords(region.low)}-${hertzWords(region.high)} Hz ` +
    `(${perCent(region.share)} of the energy kept, ${region.under.toFixed(1)} dB under the recording)`;

  const sayPoint = (point, masked, clocked) => {
    const level = point.level <= -LEVELS * LEVEL_STEP ? `under ${point.level}` : point.level.toFixed(1);
    const kept = point.kept === -Infinity ? "nothing kept" : `kept ${(point.kept || 0).toFixed(1)} dB`;
    const words = [clocked ? zsxai.clock(point.seconds, 2) : `${point.seconds.toFixed(2)} s`, `${hertzWords(point.hertz)} Hz`, minus(`${level} dB`)];
    if (masked) words.push(`mask ${point.mask.toFixed(2)}`, minus(kept));
    return words.join(" · ");
  };

  // The same steps as zsxai.show.parts.time_ticks.
  const CLOCK = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18000, 36000];
  const chooseStep = (span, clocked) => {
    if (clocked) return CLOCK.find((step) => span / step <= 7) || CLOCK[CLOCK.length - 1];
    const step = 10 ** Math.floor(Math.log10(Math.max(span, 1e-3) / 5));
    return step * [1, 2, 5, 10].find((m) => span / (step * m) <= 6);
  };

  const svg = (name, attributes, text) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  // Labels of times under a picture of the seconds between two.
  zsxai.drawTimes = (axis, from, to, clocked) => {
    const step = chooseStep(to - from, clocked), labels = [];
    for (let n = Math.ceil(from / step - 1e-9); n * step <= to * (1 + 1e-9); n++) {
      const at = (100 * (n * step - from)) / (to - from);
      const anchor = at < 1 ? "start" : at > 97 ? "end" : "middle";
      const text = clocked ? zsxai.clock(n * step, step < 1 ? 1 : 0) : String(Number((n * step).toPrecision(6)));
      labels.push(svg("text", { x: at + "%", y: 16, "text-anchor": anchor }, text));
    }
    axis.replaceChildren(...labels);
  };

  // A pointer on a plane: it tells where it is, a mouse that is dragged selects, a double click shows everything.
  zsxai.listen = (plane, selected, { tell, select, click, all }) => {
    let down = null;
    const dragged = (event) => down && Math.abs(event.clientX - down.clientX) > 6;
    plane.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      down = event;
      tell(event);
      if (event.pointerType === "mouse") plane.setPointerCapture(event.pointerId);
    });
    plane.addEventListener("pointermove", (event) => {
      tell(event);
      if (event.pointerType !== "mouse" || !dragged(event)) return;
      const box = plane.getBoundingClientRect();
      const [left, right] = [down, event].map((e) => Math.min(Math.max(e.clientX - box.left, 0), box.width)).sort((a, b) => a - b);
      selected.hidden = false;
      selected.style.left = left + "px";
      selected.style.width = right - left + "px";
    });
    plane.addEventListener("pointerup", (event) => {
      selected.hidden = true;
      if (event.pointerType === "mouse" && dragged(event)) select(down, event);
      else if (down && !dragged(event)) click(event);
      down = null;
    });
    plane.addEventListener("pointercancel", () => (down = null));
    plane.addEventListener("dblclick", all);
  };

  class Picture {
    constructor(root) {
      this.root = root;
      this.seconds = Number(root.dataset.seconds);
      this.from = Number(root.dataset.from);
      this.clocked = "clocked" in root.dataset;
      this.masked = root.dataset.masked === "1";
      this.line = Number(root.dataset.line);
      this.plane = root.querySelector("[data-plane]");
      this.sheet = root.querySelector("[data-sheet]");
      this.selected = root.querySelector("[data-selected]");
      this.readout = root.querySelector("[data-readout]");
      this.marks = root.querySelector("[data-marks]");
      this.edge = root.querySelector("[data-edge]");
      this.regions = null; // the list beside it, if any
      this.view = [0, this.seconds];
      this.first = { line: this.line, marks: Array.from(this.marks.childNodes), edge: this.edge };
      this.numbers = null;
      root.querySelector("[data-tools]").hidden = false;
      for (const button of root.querySelectorAll("[data-zoom]")) {
        button.addEventListener("click", () => zoomBy(Number(button.dataset.zoom)));
      }
      this.listen();
    }

    async load() {
      const image = new Image();
      image.src = this.root.dataset.numbers;
      await image.decode();
      this.numbers = new Numbers(image, this.root.dataset.hertz.split(" ").map(Number), this.seconds, this.from);
      this.readout.textContent = "Point at the picture, or touch it: it tells its numbers.";
    }

    // Where an event lies: parts of the whole picture from the left and from the top.
    locate(event) {
      const box = this.sheet.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    }

    tell(event) {
      if (this.numbers) this.readout.textContent = sayPoint(this.numbers.read(...this.locate(event)), this.masked, this.clocked);
    }

    listen() {
      const at = (event) => this.locate(event)[0] * this.seconds;
      zsxai.listen(this.plane, this.selected, {
        tell: (event) => this.tell(event),
        select: (...ends) => zoomTo(ends.map(at).sort((a, b) => a - b), this.from),
        click: (event) => this.click(event),
        all: () => zoomBy(0),
      });
    }

    // A number plays its region; elsewhere a click moves the position.
    click(event) {
      const near = (mark) => {
        const box = mark.getBoundingClientRect();
        return Math.hypot(event.clientX - (box.left + box.right) / 2, event.clientY - (box.top + box.bottom) / 2) < 16;
      };
      const number = Array.from(this.marks.querySelectorAll("text")).findIndex(near);
      const item = number >= 0 && this.regions && this.regions.querySelectorAll("li")[number];
      if (item) item.querySelector("button").click();
      else zsxai.seek(this.from + Math.min(Math.max(this.locate(event)[0], 0), 1) * this.seconds);
    }

    show(from, to) {
      this.view = [from, to];
      this.sheet.style.left = (-100 * from) / (to - from) + "%";
      this.sheet.style.width = (100 * this.seconds) / (to - from) + "%";
      zsxai.drawTimes(this.root.querySelector("[data-time] svg"), this.from + from, this.from + to, this.clocked);
    }

    follow(position) {
      const [from, to] = this.view, seconds = position - this.from;
      if (to - from > this.seconds - 1e-6 || (seconds >= from && seconds <= to)) return;
      const start = Math.min(Math.max(0, seconds), this.seconds - (to - from));
      this.show(start, start + to - from);
    }

    // Move the line: edge, numbers on the picture and the list, all from the numbers of the picture.
    redraw(line) {
      if (!this.numbers || !this.masked) return;
      this.line = line;
      if (line === this.first.line) this.restore();
      else {
        const found = this.numbers.regions(line);
        this.drawEdge(line);
        this.drawMarks(found.slice(0, LISTED));
        this.list(found, line);
      }
    }

    restore() {
      this.marks.replaceChildren(...this.first.marks);
      if (this.edge && this.edge !== this.first.edge) {
        this.edge.remove();
        if (this.first.edge) this.sheet.querySelector("svg").before(this.first.edge);
        this.edge = this.first.edge;
      }
      if (this.regions) this.regions.replaceChildren(...this.regions.first);
    }

    drawEdge(line) {
      const inside = this.numbers.inside(line);
      if (!(this.edge instanceof HTMLCanvasElement)) {
        if (this.edge) this.edge.remove();
        this.edge = document.createElement("canvas");
        this.edge.className = "layer-mask";
        this.sheet.querySelector("svg").before(this.edge);
      }
      if (this.numbers.crossings(inside) > RAGGED) inside.fill(0);
      this.numbers.drawEdge(this.edge, inside);
    }

    drawMarks(found) {
      const { hertz, rows } = this.numbers;
      this.marks.replaceChildren(
        ...found.map((region, n) => {
          const left = Math.min((100 * (region.start - this.from)) / this.seconds, 97);
          const top = Math.max(100 * (1 - hertz.indexOf(region.high) / rows), 5);
          return svg("text", { x: left + "%", y: top + "%", dx: 3, dy: "-.2em", class: "region" }, n + 1);
        }),
      );
    }

    list(found, line) {
      if (!this.regions) return;
      const level = minus(String(line)) + " dB";
      const said = document.createElement("p");
      said.className = "quiet small";
      said.textContent = found.length
        ? `${found.length} ${found.length === 1 ? "part keeps" : "parts keep"} ${level} of the recording or more; those that keep most energy first:`
        : `Nowhere does ${level} of the recording or more remain.`;
      const list = document.createElement("ol");
      list.className = "regions number small";
      for (const region of found.slice(0, LISTED)) {
        const item = document.createElement("li");
        item.textContent = say(region, this.clocked);
        item.dataset.start = region.start;
        item.dataset.stop = region.stop;
        list.append(item);
        makeLoop(item);
      }
      this.regions.replaceChildren(said, list);
    }
  }

  const makeLoop = (item) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = item.textContent;
    button.title = "Play this part over and over";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      if (zsxai.playLoop(Number(item.dataset.start), Number(item.dataset.stop))) return;
      button.disabled = true;
      item.append(" (the players do not hold it)");
    });
    item.replaceChildren(button);
  };

  zsxai.makeLoop = makeLoop;

  const pictures = Array.from(document.querySelectorAll("[data-picture]"), (root) => new Picture(root));
  const shownPictures = () => pictures.filter((p) => zsxai.shown(p.root));

  // All pictures of one part of the recording.
  const zoomTo = ([from, to], part) => {
    for (const picture of pictures.filter((p) => p.from === part)) {
      const least = Math.min(picture.seconds, Math.max(0.05, picture.seconds / 200));
      const span = Math.min(Math.max(to - from, least), picture.seconds);
      const start = Math.min(Math.max(0, (from + to - span) / 2), picture.seconds - span);
      picture.show(start, start + span);
    }
  };

  // Zoom about the position where it is in view, else about the middle; 0 shows everything.
  const zoomBy = (factor) => {
    const [picture] = shownPictures();
    if (!picture) return;
    if (!factor) return zoomTo([0, picture.seconds], picture.from);
    const [from, to] = picture.view;
    const position = zsxai.position() - picture.from;
    const about = position > from && position < to ? position : (from + to) / 2;
    zoomTo([about - (about - from) * factor, about + (to - about) * factor], picture.from);
  };
  zsxai.zoomBy = zoomBy;

  // A list of regions belongs to the picture with a mask before it.
  let last = null;
  for (const element of document.querySelectorAll("[data-picture], [data-regions]")) {
    if (element.hasAttribute("data-regions")) {
      for (const item of element.querySelectorAll("li")) makeLoop(item);
      element.first = Array.from(element.childNodes);
      if (last) last.regions = element;
    } else {
      const picture = pictures.find((p) => p.root === element);
      if (picture.masked) last = picture;
    }
  }

  // Play the region at the position, or the first one in sight.
  zsxai.loopPart = () => {
    if (zsxai.loop()) return zsxai.stopLoop();
    const items = Array.from(document.querySelectorAll("[data-regions] li")).filter(zsxai.shown);
    const at = zsxai.position();
    const item = items.find((i) => at >= Number(i.dataset.start) && at <= Number(i.dataset.stop)) || items[0];
    if (item) item.querySelector("button").click();
  };

  document.addEventListener("loop", (event) => {
    for (const item of document.querySelectorAll("[data-regions] li, [data-parts] li")) {
      const on = event.detail && Number(item.dataset.start) === event.detail.from && Number(item.dataset.stop) === event.detail.to;
      item.querySelector("button").setAttribute("aria-pressed", String(Boolean(on)));
    }
  });
  document.addEventListener("position", (event) => {
    if (zsxai.playing()) for (const picture of pictures) picture.follow(event.detail);
  });

  for (const tool of document.querySelectorAll("[data-line-tool]")) {
    const slider = tool.querySelector("input");
    const mine = pictures.filter((p) => tool.closest("section").contains(p.root) && p.masked);
    tool.hidden = !mine.length;
    slider.addEventListener("input", () => {
      for (const place of tool.parentElement.querySelectorAll("output, [data-line-said]")) {
        place.textContent = minus(slider.value);
      }
      for (const picture of mine) picture.redraw(Number(slider.value));
    });
  }

  zsxai.ready = Promise.all(pictures.map((p) => p.load()));
})();
