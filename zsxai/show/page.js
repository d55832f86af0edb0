"use strict";
// One position for every player and every picture: what starts takes over where the other was, so that the
// recording, the explanation and the residue can be compared at the same moment.
(() => {
  const players = Array.from(document.querySelectorAll("audio[data-start]"));
  const planes = Array.from(document.querySelectorAll("[data-seconds]"));
  let active = null;

  const start = (player) => Number(player.dataset.start);
  const now = (player) => start(player) + player.currentTime;

  const place = (seconds) => {
    for (const plane of planes) {
      const whole = Number(plane.dataset.seconds);
      const cursor = plane.querySelector("[data-cursor]");
      cursor.style.left = (100 * Math.min(seconds, whole)) / whole + "%";
      cursor.hidden = false;
      const seek = plane.querySelector("[data-seek]");
      if (seek) {
        seek.value = seconds;
        seek.setAttribute("aria-valuetext", seconds.toFixed(1) + " seconds");
      }
    }
  };

  const move = (player, seconds) => {
    const length = Number.isFinite(player.duration) ? player.duration : Infinity;
    player.currentTime = Math.max(0, Math.min(seconds - start(player), Math.max(0, length - 0.01)));
  };

  const mark = () => {
    for (const player of players) {
      const card = player.closest("[data-card]");
      if (card) card.toggleAttribute("data-playing", player === active && !player.paused);
    }
  };

  const follow = () => {
    if (!active || active.paused) return;
    place(now(active));
    requestAnimationFrame(follow);
  };

  for (const player of players) {
    player.addEventListener("play", () => {
      if (active && active !== player && !active.paused) {
        move(player, now(active));
        active.pause();
      }
      active = player;
      mark();
      follow();
    });
    player.addEventListener("pause", mark);
    player.addEventListener("seeked", () => {
      if (player === active) place(now(player));
    });
  }

  for (const seek of document.querySelectorAll("[data-seek]")) {
    seek.hidden = false;
    seek.addEventListener("input", () => {
      const seconds = Number(seek.value);
      for (const player of players) move(player, seconds);
      place(seconds);
    });
    seek.addEventListener("keydown", (event) => {
      if (event.key !== " ") return;
      event.preventDefault();
      const player = active || players[0];
      if (!player) return;
      if (player.paused) player.play();
      else player.pause();
    });
  }
})();
