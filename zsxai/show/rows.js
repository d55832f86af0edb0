// A table of rows: heads sort, fields filter; without this script all rows stand in their order.
(() => {
  const table = document.querySelector("[data-rows]");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);

  const value = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.value === undefined) return cell.textContent.trim();
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };
  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  const sort = (column) => {
    const down = heads[column].ariaSort === "ascending";
    const known = rows.map((row, n) => [value(row, column), n, row]);
    // What is not known comes last either way; rows that are alike keep their order.
    known.sort(([a, n], [b, m]) => (a === null) - (b === null) || (a === null ? 0 : down ? compare(b, a) : compare(a, b)) || n - m);
    for (const head of heads) head.ariaSort = null;
    heads[column].ariaSort = down ? "descending" : "ascending";
    body.append(...known.map(([, , row]) => row));
  };
  heads.forEach((head, column) => {
    if (!column) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(column));
    head.append(button);
  });

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
