// Tables with data-sortable contain all their rows. This script sorts them by their headings and divides long ones
// into pages. Without scripts, and in print, all rows are visible.
(() => {
  const PER_PAGE = 50; // rows
  const NUMBER = /^±?(-?\d*\.?\d+(?:e[-+]?\d+)?)(?=$|[\s%(±])/i;
  const words = new Intl.Collator("en", { numeric: true });

  function valueOf(row, place) {
    const cell = row.cells[place];
    const text = (cell?.dataset.value ?? cell?.textContent ?? "").replace(/\s+/g, " ").trim();
    return ["", "–", "none"].includes(text) ? null : text;
  }

  const numberOf = (text) => Number(NUMBER.exec(text.replaceAll(",", "").replace("−", "-"))?.[1] ?? NaN);

  function sort(table, heading, place) {
    const descending = heading.getAttribute("aria-sort") === "ascending";
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, text: valueOf(row, place) }));
    const known = rows.filter(({ text }) => text !== null);
    const numeric = known.every(({ text }) => !Number.isNaN(numberOf(text)));
    known.sort((a, b) => (numeric ? numberOf(a.text) - numberOf(b.text) : words.compare(a.text, b.text)));
    if (descending) known.reverse();
    // Rows without a value are last in both directions, as in lists that the server sorts.
    body.append(...[...known, ...rows.filter(({ text }) => text === null)].map(({ row }) => row));
    table.querySelectorAll("th[aria-sort]").forEach((each) => each.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  }

  function leaf(table, number = 1) {
    const rows = [...table.tBodies[0].rows];
    const last = Math.ceil(rows.length / PER_PAGE);
    if (last < 2) return;
    rows.forEach((row, place) => {
      row.hidden = Math.floor(place / PER_PAGE) !== number - 1;
    });
    const pages = (table.pages ??= pager(table));
    pages.number = number;
    pages.querySelector("span").textContent = `Page ${number} of ${last}`;
    const [before, after] = pages.querySelectorAll("button");
    before.disabled = number === 1;
    after.disabled = number === last;
  }

  function pager(table) {
    const pages = document.createElement("nav");
    pages.className = "d-flex align-items-center justify-content-between gap-3 p-3 d-print-none";
    pages.setAttribute("aria-label", "Pages of the table");
    pages.innerHTML =
      '<button class="btn" type="button">Previous</button><span class="text-secondary"></span>' +
      '<button class="btn" type="button">Next</button>';
    pages.querySelectorAll("button").forEach((button, place) => {
      button.addEventListener("click", () => leaf(table, pages.number + (place ? 1 : -1)));
    });
    (table.closest(".table-responsive") ?? table).after(pages);
    return pages;
  }

  function prepare(table) {
    table.dataset.sortable = "ready";
    if (table.tBodies[0].rows.length < 2) return;
    [...table.tHead.rows[0].cells].forEach((heading, place) => {
      if (heading.querySelector(".visually-hidden")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => {
        sort(table, heading, place);
        leaf(table);
      });
      heading.append(button);
    });
    leaf(table);
  }

  const prepareAll = () => document.querySelectorAll('table[data-sortable=""]').forEach(prepare);
  document.addEventListener("htmx:afterSwap", prepareAll);
  addEventListener("beforeprint", () => {
    document.querySelectorAll("table[data-sortable] tr[hidden]").forEach((row) => (row.hidden = false));
  });
  addEventListener("afterprint", () => {
    document.querySelectorAll("table[data-sortable]").forEach((table) => leaf(table, table.pages?.number));
  });
  prepareAll();
})();
