// The keyboard, where it is not at work in a control.
(() => {
  if (!document.querySelector("[data-picture], [data-chart]") || !document.querySelector("audio[data-start]")) return;
  const STEP = 0.5; // seconds of an arrow
  const own = (target, key) => {
    if (target.closest("[data-seek]")) return false;
    if (target.closest("input[type=range]")) return key.startsWith("Arrow");
    return Boolean(target.closest("audio, button, summary, input")) && (key === " " || key.startsWith("Arrow"));
  };
  const actions = {
    " ": () => zsxai.toggle(),
    ArrowLeft: () => zsxai.seek(Math.max(0, zsxai.position() - STEP)),
    ArrowRight: () => zsxai.seek(zsxai.position() + STEP),
    l: () => zsxai.loopPart(),
    Escape: () => zsxai.stopLoop(),
    "+": () => zsxai.zoomBy(0.5),
    "=": () => zsxai.zoomBy(0.5),
    "-": () => zsxai.zoomBy(2),
    0: () => zsxai.zoomBy(0),
  };
  for (let n = 1; n <= 9; n++) actions[n] = () => zsxai.choose(n - 1);

  document.addEventListener("keydown", (event) => {
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey || own(event.target, event.key)) return;
    event.preventDefault();
    action();
  });
  for (const help of document.querySelectorAll("[data-keys]")) help.hidden = false;
})();
