// Puts the page together. The address says which case is open, so it can be linked to, and the browser's Back closes it.

const data = JSON.parse(document.getElementById("data").textContent);

function address(row) {
  return "#" + [row.name, row.adapter, row.tier].map(encodeURIComponent).join("/");
}

const view = new CaseView(data);
const matrix = new Matrix(data, (row) => { location.hash = address(row); });
let shown = null;

function follow() {
  const row = data.cases.find((each) => address(each) === location.hash) ?? null;
  if (row === shown) return;
  const left = shown;
  shown = row;
  if (row) {
    view.open(row);
  } else {
    view.close();
    matrix.focusRow(left);
  }
}

function leave() {
  // Setting an empty hash would scroll the page to its top.
  history.pushState(null, "", location.pathname + location.search);
  follow();
}

function summarize() {
  const { run, cases } = data;
  const counts = document.getElementById("counts");
  for (const result of ["failed", "passed", "skipped"]) {
    const count = cases.filter((row) => row.result === result).length;
    counts.append(make("span", `${SIGNS[result]} ${count} ${result}`, { class: `verdict ${count ? result : ""}` }), " ");
  }
  const facts = { began: run.started, tier: run.tier, machine: `${run.host}, Linux ${run.kernel}`, program: run.program,
    arguments: commandLine(run.arguments) || "none" };
  for (const [name, text] of Object.entries(facts)) {
    const fact = make("div");
    fact.append(make("dt", name), make("dd", text));
    document.getElementById("facts").append(fact);
  }
  const failures = cases.filter((row) => row.result === "failed");
  document.getElementById("failures").hidden = !failures.length;
  document.querySelector("#failures ul").append(...failures.map((row) => {
    const item = make("li");
    const violations = row.record?.violations ?? [];
    const link = make("a", `${row.name} on ${row.adapter}`, { href: address(row) });
    const [first] = violations;
    const text = (first?.text ?? row.reason.replace(`${row.broken[0]}: `, "")).split("\n")[0];
    const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
    item.append(link, " ", ...row.broken.flatMap((id) => [make("strong", id, { class: "clause" }), " "]), text + more);
    return item;
  }));
  const failed = failures.length ? `${failures.length} failed` : "all passed";
  document.title = `${failed}: osevent conformance`;
}

summarize();
document.getElementById("close").addEventListener("click", leave);
document.getElementById("case").addEventListener("cancel", (event) => { event.preventDefault(); leave(); });
// A browser may close it without asking: some do where no key or mouse was used since it was shown.
document.getElementById("case").addEventListener("close", (event) => { if (shown && !event.target.open) leave(); });
addEventListener("hashchange", follow);
addEventListener("popstate", follow);
addEventListener("keydown", (event) => {
  if (event.key !== "/" || shown || event.target.matches("input")) return;
  event.preventDefault();
  document.getElementById("search").focus();
});
follow();
