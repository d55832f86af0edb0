
// Tables whose heads sort: a first click makes a column rise or fall as the table says, or the head itself; the next one
// turns it round. What has no value comes last either way. Without this script all rows stand in their order.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);
  const read = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.value === undefined) return cell.textContent.trim();
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
  heads.forEach((head, column) => {
    const first = head.dataset.sort || table.dataset.sortable;
    if (first === "no") return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.textContent = head.textContent.trim();
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const again = head.hasAttribute("aria-sort");
      const falls = again ? head.getAttribute("aria-sort") === "ascending" : first === "falling";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falls ? "descending" : "ascending");
      const known = rows.map((row, n) => [read(row, column), n, row]);
      known.sort(([a, n], [b, m]) => (a === null) - (b === null) || (a === null ? 0 : falls ? compare(b, a) : compare(a, b)) || n - m);
      body.append(...known.map(([, , row]) => row));
    });
  });
}
