// All cases by all adapters, and what of it is shown.

const WORDS = { passed: "passed", failed: "FAILED", skipped: "skipped" };
const SIGNS = { passed: "✓", failed: "✗", skipped: "–" };

class Matrix {
  // `open` is called with the row whose result is chosen.
  constructor(data, open) {
    Object.assign(this, { data, open });
    this.table = document.getElementById("matrix");
    this.cells = new Map();
    const several = new Set(data.cases.map((row) => row.tier)).size > 1;
    const column = (row) => (several ? `${row.adapter}, ${row.tier}` : row.adapter);
    this.columns = [...new Set(data.cases.map(column))];
    this.lines = new Map();
    for (const row of data.cases) {
      if (!this.lines.has(row.name)) this.lines.set(row.name, { name: row.name, of: new Map(), rows: [] });
      const line = this.lines.get(row.name);
      line.of.set(column(row), row);
      line.rows.push(row);
    }
    this.build();
    this.table.addEventListener("keydown", (event) => this.key(event));
    this.table.addEventListener("click", (event) => this.click(event));
    const filter = document.getElementById("filter");
    filter.addEventListener("input", () => this.filter());
    filter.addEventListener("submit", (event) => event.preventDefault());
    this.filter();
  }

  build() {
    const head = make("tr");
    head.append(make("th", "case and its clauses", { scope: "col" }));
    for (const column of this.columns) {
      const rows = [...this.lines.values()].map((line) => line.of.get(column)).filter(Boolean);
      const failed = rows.filter((row) => row.result === "failed").length;
      const cell = make("th", column, { scope: "col" });
      cell.append(make("small", failed ? `${failed} of ${rows.length} failed` : `${rows.length} ran`));
      head.append(cell);
    }
    const header = make("thead");
    header.append(head);
    this.body = make("tbody");
    for (const line of this.lines.values()) this.body.append(this.line(line));
    this.table.replaceChildren(header, this.body);
    const all = new Set(this.data.cases.flatMap((row) => row.clauses));
    const numeric = [...all].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    document.getElementById("clauses").append(...numeric.map((id) => make("option", undefined, { value: id })));
  }

  line(line) {
    const [row] = line.rows;
    line.element = make("tr");
    const title = make("th", row.name, { scope: "row" });
    title.append(" ", ...row.clauses.flatMap((id) => [make("button", id, {
      type: "button", class: "clause", tabindex: "-1", "data-clause": id, title: this.data.clauses[id] ?? "",
    }), " "]), make("small", row.claim));
    line.element.append(title);
    for (const column of this.columns) {
      const result = line.of.get(column);
      const cell = make("td", undefined, { role: "gridcell" });
      if (result) {
        cell.className = `result ${result.result}`;
        cell.tabIndex = -1;
        const word = make("span", WORDS[result.result], { class: result.result === "passed" ? "unseen" : "" });
        cell.append(make("span", SIGNS[result.result], { "aria-hidden": "true" }), " ", word, " ");
        if (result.broken.length) cell.append(make("strong", result.broken.join(" "), { class: "clause" }));
        else if (result.result === "passed") cell.append(make("small", `${result.seconds.toFixed(2)} s`));
        if (result.runs > 1) cell.append(make("small", ` ×${result.runs}`));
        if (result.reason) cell.title = result.reason.split("\n")[0];
        this.cells.set(cell, result);
      }
      line.element.append(cell);
    }
    return line.element;
  }

  filter() {
    const form = document.getElementById("filter");
    const words = form.querySelector("#search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const clause = form.querySelector("#clause").value.trim().toUpperCase();
    const wanted = new Set([...form.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.name));
    let shown = 0;
    for (const line of this.lines.values()) {
      const text = line.rows.map((row) => `${row.name} ${row.claim} ${row.reason}`).join(" ").toLowerCase();
      const ids = line.rows.flatMap((row) => [...row.clauses, ...row.broken]);
      const cites = /\d/.test(clause) ? ids.includes(clause) : !clause || ids.some((id) => id.startsWith(clause));
      const fits = cites && words.every((word) => text.includes(word)) && line.rows.some((row) => wanted.has(row.result));
      line.element.hidden = !fits;
      if (fits) shown++;
    }
    document.getElementById("shown").textContent = `${shown} of ${this.lines.size} cases`;
    this.stop(this.visible().find((cell) => cell.tabIndex === 0) ?? this.visible()[0]);
  }

  visible() {
    return [...this.cells.keys()].filter((cell) => !cell.parentElement.hidden);
  }

  // Makes this the one cell that Tab reaches.
  stop(cell) {
    for (const each of this.cells.keys()) each.tabIndex = each === cell ? 0 : -1;
  }

  focus(cell) {
    if (!cell) return;
    this.stop(cell);
    cell.focus();
    cell.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  focusRow(row) {
    this.focus([...this.cells].find(([, each]) => each === row)?.[0]);
  }

  click(event) {
    const clause = event.target.closest("[data-clause]")?.dataset.clause;
    if (clause) {
      document.getElementById("clause").value = clause;
      this.filter();
      return;
    }
    const cell = event.target.closest("td.result");
    if (!cell) return;
    this.stop(cell);
    this.open(this.cells.get(cell));
  }

  key(event) {
    const cell = event.target.closest("td.result");
    if (!cell || event.ctrlKey || event.altKey || event.metaKey) return;
    const line = cell.parentElement;
    const inLine = [...line.querySelectorAll("td.result")];
    const inColumn = this.visible().filter((each) => each.cellIndex === cell.cellIndex);
    const beside = (list, by) => list[list.indexOf(cell) + by];
    const keys = {
      ArrowLeft: () => this.focus(beside(inLine, -1)), ArrowRight: () => this.focus(beside(inLine, 1)),
      ArrowUp: () => this.focus(beside(inColumn, -1)), ArrowDown: () => this.focus(beside(inColumn, 1)),
      Home: () => this.focus(inLine[0]), End: () => this.focus(inLine.at(-1)),
      PageUp: () => this.focus(inColumn[0]), PageDown: () => this.focus(inColumn.at(-1)),
      Enter: () => this.open(this.cells.get(cell)), " ": () => this.open(this.cells.get(cell)),
    };
    const does = keys[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }
}
