
// Fields over a table of rows filter it; without this script all rows are shown.
(() => {
  const table = document.querySelector("[data-rows]");
  if (!table) return;
  const rows = Array.from(table.tBodies[0].rows);
  const form = document.querySelector("[data-filters]");
  const text = form.querySelector("[data-filter-text]");
  const count = form.querySelector("[data-count]");
  const choices = Array.from(form.querySelectorAll("[data-filter]"));
  const words = rows.map((row) => row.textContent.toLowerCase());
  const filter = () => {
    const wanted = text.value.trim().toLowerCase();
    let shown = 0;
    rows.forEach((row, n) => {
      const fits = choices.every((choice) => !choice.value || row.dataset[choice.dataset.filter] === choice.value);
      row.hidden = !fits || !words[n].includes(wanted);
      shown += !row.hidden;
    });
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  form.hidden = false;
  filter();
})();
