
// Rows in the order of the column whose head is clicked; again, the other way round.
for (const table of document.querySelectorAll("[data-sortable]")) {
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    const button = head.querySelector("[data-sort]");
    if (!button) return;
    button.addEventListener("click", () => {
      const names = column === 0;
      const falling = head.getAttribute("aria-sort") === (names ? "ascending" : null) || (!names && head.getAttribute("aria-sort") !== "descending");
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.value;
      const order = (a, b) => (names ? value(a).localeCompare(value(b)) : Number(value(a)) - Number(value(b)));
      const body = table.tBodies[0];
      for (const row of Array.from(body.rows).sort((a, b) => (falling ? order(b, a) : order(a, b)))) body.append(row);
    });
  });
}
