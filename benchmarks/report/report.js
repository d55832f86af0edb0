
// Tables sort by the column whose head is clicked; figures by their means, what has none last.
(() => {
  const value = (row, column) => {
    const cell = row.cells[column];
    const given = cell.dataset.value;
    return given === undefined ? cell.textContent : given === "" ? NaN : Number(given);
  };
  const order = (a, b) => {
    if (typeof a === "string" || typeof b === "string") return String(a).localeCompare(String(b));
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return a - b;
  };
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") === "descending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const body = table.tBodies[0];
        const rows = Array.from(body.rows).map((row) => [row, value(row, column)]);
        const last = (v) => typeof v === "number" && Number.isNaN(v);
        rows.sort((a, b) => (last(a[1]) || last(b[1]) ? order(a[1], b[1]) : up ? order(a[1], b[1]) : order(b[1], a[1])));
        body.append(...rows.map(([row]) => row));
      });
    });
  }
})();
