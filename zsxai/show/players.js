"use strict";
// One position for every player and every picture: what starts takes over where the other was, so that the
// recording, the explanation and the residue can be compared at the same moment; a part plays over and over.
const zsxai = {};
(() => {
  const SHORTEST_LOOP = 0.3; // seconds: less is a buzz
  const players = Array.from(document.querySelectorAll("audio[data-start]"));
  const planes = Array.from(document.querySelectorAll("[data-seconds]")).filter((p) => p.querySelector("[data-cursor]"));
  let active = null;
  let loop = null;

  const start = (player) => Number(player.dataset.start);
  const length = (player) => (Number.isFinite(player.duration) ? player.duration : Number(player.dataset.length));
  const end = (player) => start(player) + length(player);
  const holds = (player, seconds) => seconds >= start(player) && seconds < end(player);
  // As zsxai.written.clock.
  zsxai.clock = (seconds, decimals = 1) => {
    const rounded = Math.round(seconds * 10 ** decimals) / 10 ** decimals;
    const minutes = Math.floor(rounded / 60);
    const rest = (rounded - 60 * minutes).toFixed(decimals).padStart(decimals ? 3 + decimals : 2, "0");
    const hours = Math.floor(minutes / 60);
    return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  };

  const now = (player) => start(player) + player.currentTime;
  const from = (plane) => Number(plane.dataset.from || 0); // where in the recording a picture starts
  const shown = (element) => !element.closest("[hidden]");
  const visible = () => players.filter(shown);
  const current = () => (active && shown(active) ? active : visible()[0]);

  // A pause that comes before the sound does is no error.
  const begin = (player) => player.play().catch(() => {});

  const move = (player, seconds) => {
    player.currentTime = Math.max(0, Math.min(seconds, end(player) - 0.01) - start(player));
  };

  // The same moment, where the other player holds it: of different parts each keeps its own.
  const takeOver = (player) => {
    if (holds(player, now(active)) || !apart(player, active)) move(player, now(active));
  };
  const apart = (one, other) => start(one) >= end(other) || start(other) >= end(one);

  const scattered = players.some((player) => apart(player, players[0])); // they hold different parts of the recording

  const place = (seconds) => {
    for (const plane of planes) {
      const whole = Number(plane.dataset.seconds), inside = seconds - from(plane);
      const cursor = plane.querySelector("[data-cursor]");
      cursor.style.left = (100 * Math.min(inside, whole)) / whole + "%";
      cursor.hidden = inside < 0 || inside > whole + 0.1;
    }
    for (const seek of document.querySelectorAll("[data-seek]")) {
      seek.value = seconds;
      seek.setAttribute("aria-valuetext", seconds.toFixed(1) + " seconds");
    }
    document.dispatchEvent(new CustomEvent("position", { detail: seconds }));
  };

  const mark = () => {
    for (const player of players) {
      const card = player.closest("[data-card]");
      if (card) card.toggleAttribute("data-playing", player === active && !player.paused);
    }
  };

  const showLoop = () => {
    for (const plane of planes) {
      const box = plane.querySelector("[data-loop]");
      if (!box) continue;
      const whole = Number(plane.dataset.seconds);
      box.hidden = !loop || loop.stop <= from(plane) || loop.start >= from(plane) + whole;
      if (box.hidden) continue;
      box.style.left = (100 * (loop.start - from(plane))) / whole + "%";
      box.style.width = (100 * (loop.stop - loop.start)) / whole + "%";
    }
    document.dispatchEvent(new CustomEvent("loop", { detail: loop }));
  };

  const again = () => {
    if (loop && active && (now(active) >= loop.stop || now(active) < loop.start - 0.05)) move(active, loop.start);
  };

  const follow = () => {
    if (!active || active.paused) return;
    again();
    place(now(active));
    requestAnimationFrame(follow);
  };

  // A page that was sent alone plays the part that it holds itself.
  const playPart = (player) => {
    if (!player.dataset.part) return;
    const { part, partStart, partLength } = player.dataset;
    Object.assign(player.dataset, { start: partStart, length: partLength });
    delete player.dataset.part;
    player.src = part;
    const said = player.closest("[data-card]")?.querySelector("[data-lost]");
    if (said) said.hidden = false;
  };
  for (const player of players) {
    if (player.error) playPart(player);
    player.addEventListener("error", () => playPart(player));
    player.addEventListener("play", () => {
      if (active && active !== player && !active.paused) {
        takeOver(player);
        active.pause();
      }
      active = player;
      mark();
      follow();
    });
    player.addEventListener("pause", mark);
    player.addEventListener("timeupdate", again); // a page in the background draws no frames
    player.addEventListener("ended", () => {
      if (!loop || player !== active) return;
      move(player, loop.start);
      begin(player);
    });
    player.addEventListener("seeked", () => {
      if (player === active) place(now(player));
    });
  }

  for (const seek of document.querySelectorAll("[data-seek]")) {
    seek.hidden = false;
    seek.addEventListener("input", () => zsxai.seek(Number(seek.value)));
  }

  zsxai.shown = shown;
  zsxai.position = () => (current() ? now(current()) : 0);

  zsxai.seek = (seconds) => {
    if (loop && (seconds < loop.start || seconds > loop.stop)) zsxai.stopLoop();
    const holding = players.filter((player) => holds(player, seconds));
    for (const player of holding.length || scattered ? holding : players) move(player, seconds);
    if (holding.length && active && !holding.includes(active)) {
      active.pause();
      active = holding[0];
    }
    active ??= holding.find(shown) || null;
    place(seconds);
  };

  // Play whoever holds a moment from there; false where nobody does.
  zsxai.playAt = (seconds) => {
    const player = [current(), ...visible()].find((p) => p && holds(p, seconds));
    if (!player) return false;
    zsxai.stopLoop();
    if (active && active !== player) active.pause();
    active = player;
    zsxai.seek(seconds);
    begin(player);
    return true;
  };

  zsxai.toggle = () => {
    const player = current();
    if (!player) return;
    if (player.paused) begin(player);
    else player.pause();
  };

  // Play another player from where the last one is.
  zsxai.play = (player) => {
    if (!player || (player === active && !player.paused)) return;
    if (active && active !== player) takeOver(player);
    if (active && active !== player && !active.paused) active.pause();
    begin(player);
  };

  zsxai.choose = (number) => zsxai.play(visible()[number]);
  zsxai.playing = () => active && !active.paused && active;

  // Play a part over and over, or stop if it does so already; false where the players do not hold it.
  zsxai.playLoop = (from, to) => {
    const player = [current(), ...visible()].find((p) => p && (holds(p, from) || holds(p, (from + to) / 2))) || current();
    if (!player) return false;
    if (loop && loop.from === from && loop.to === to) {
      zsxai.stopLoop();
      return true;
    }
    const wider = Math.max(0, SHORTEST_LOOP - (to - from)) / 2;
    const part = { from, to, start: Math.max(from - wider, start(player)), stop: Math.min(to + wider, end(player) - 0.02) };
    if (part.stop - part.start < 0.05) return false;
    loop = part;
    for (const each of players) move(each, loop.start);
    showLoop();
    place(loop.start);
    begin(player);
    return true;
  };

  zsxai.stopLoop = () => {
    if (!loop) return;
    loop = null;
    if (active) active.pause();
    showLoop();
  };

  zsxai.loop = () => loop;

  // Equal loudness: every player through a gain, once somebody asks; without Web Audio the switch stays hidden.
  // Files beside a page are kept from Web Audio: there, the louder ones are turned down.
  const filed = players.some((player) => player.dataset.part);
  let gains = null;
  const match = (on) => {
    if (filed) for (const player of players) player.volume = on ? Math.min(1, Number(player.dataset.match)) : 1;
    else amplify(on);
    document.body.classList.toggle("matched", on);
    for (const tool of document.querySelectorAll("[data-match-tool] input")) tool.checked = on;
  };
  const amplify = (on) => {
    if (!gains) {
      const context = new AudioContext();
      gains = players.map((player) => {
        const gain = context.createGain();
        context.createMediaElementSource(player).connect(gain).connect(context.destination);
        return gain;
      });
      document.addEventListener("play", () => context.resume(), true);
      context.resume();
    }
    gains.forEach((gain, n) => (gain.gain.value = on ? Number(players[n].dataset.match) : 1));
    zsxai.gains = gains;
  };
  if (window.AudioContext) {
    for (const tool of document.querySelectorAll("[data-match-tool]")) {
      tool.hidden = false;
      tool.querySelector("input").addEventListener("change", (event) => match(event.target.checked));
    }
  }
})();
