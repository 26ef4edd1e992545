// One case on one adapter: why it ended as it did, how to repeat it, and what happened in it.

const STEP_HEIGHT = 24;

function make(name, text, attributes = {}) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function button(text, does, attributes = {}) {
  const element = make("button", text, { type: "button", ...attributes });
  element.addEventListener("click", does);
  return element;
}

// A clause's text, of whose Markdown only code is shown as such.
function clauseText(text) {
  const paragraph = make("p");
  text.replaceAll("**", "").split("`").forEach((part, at) =>
    paragraph.append(at % 2 ? make("code", part) : part.replace(/\*([^*]+)\*/g, "$1")));
  return paragraph;
}

async function copy(text, from) {
  const before = from.textContent;
  try {
    await navigator.clipboard.writeText(text);
    from.textContent = "copied";
  } catch {
    from.textContent = "cannot copy here";
  }
  setTimeout(() => { from.textContent = before; }, 1500);
}

function commandLine(words) {
  return words.map((word) => (/^[\w@%+=:,.\/-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}

class CaseView {
  constructor(data) {
    this.data = data;
    this.dialog = document.getElementById("case");
    this.part = (id) => document.getElementById(id);
    this.story = null;
    this.part("by-order").addEventListener("click", () => this.scale(true));
    this.part("by-time").addEventListener("click", () => this.scale(false));
    this.part("zoom-in").addEventListener("click", () => this.lanes.zoom(2));
    this.part("zoom-out").addEventListener("click", () => this.lanes.zoom(0.5));
    this.part("fit").addEventListener("click", () => this.lanes.fit());
    this.part("next-violation").addEventListener("click", () => this.nextViolation(1));
    this.part("copy-steps").addEventListener("click", (event) => copy(this.stepsAsText(), event.currentTarget));
    this.part("steps").addEventListener("scroll", () => this.fillSteps());
    this.part("steps").addEventListener("click", (event) => {
      const index = event.target.closest("[data-step]")?.dataset.step;
      if (index !== undefined) this.select(Number(index));
    });
    for (const id of ["lanes", "steps"]) this.part(id).addEventListener("keydown", (event) => this.key(event));
    for (const [kind, name] of [["call", "call"], ["hook", "hook"], ["occurrence", "occurrence"], ["fd", "fd's life"],
      ["timeout", "timeout's life"], ["failed", "violation"]]) {
      const item = make("span", name);
      item.prepend(make("i", "", { style: `background: var(--${kind})` }));
      this.part("legend").append(item);
    }
    this.part("legend").append(make("span", "▼ modified"), make("span", "◆ remark"));
  }

  open(row) {
    this.close();
    this.part("case-title").replaceChildren(make("span", WORDS[row.result], { class: `verdict ${row.result}` }),
      ` ${row.name} on ${row.adapter}`);
    this.part("claim").textContent = row.claim;
    this.why(row);
    this.repeat(row);
    this.clauses(row);
    // Shown before it is filled: what is hidden has no size.
    this.dialog.showModal();
    this.part("case-body").scrollTop = 0;
    this.part("record").hidden = !row.record?.steps.length;
    if (!this.part("record").hidden) this.tell(row);
    (this.story ? this.part("lanes") : this.part("close")).focus({ preventScroll: true });
  }

  close() {
    this.lanes?.remove();
    this.lanes = this.story = null;
    if (this.dialog.open) this.dialog.close();
  }

  why(row) {
    const part = this.part("why");
    part.replaceChildren();
    part.hidden = row.result === "passed" && !row.record?.violations.length;
    part.className = row.result;
    // What the violations say has its own place.
    const said = (row.record?.violations ?? []).map((violation) => `${violation.clause}: step ${violation.step}: ${violation.text}`);
    const reason = said.reduce((text, line) => text.replace(line, ""), row.reason).replace(/^\n+/, "");
    const [headline, ...log] = reason.split("\n");
    if (headline) part.append(make("p", headline, { class: "headline" }));
    const list = make("ul");
    for (const violation of row.record?.violations ?? []) {
      const step = row.record.steps[violation.step];
      const place = `step ${violation.step}, ${moment(step.at)}, thread ${row.record.threads[step.thread]}`;
      const item = make("li");
      item.append(make("strong", violation.clause, { class: "clause" }), ` ${violation.text} `,
        button(place, () => { this.select(violation.step); this.part("lanes").focus(); }, { class: "link" }));
      list.append(item);
    }
    if (list.children.length) part.append(list);
    if (row.runs > 1) part.append(make("p", `${row.failures} of ${row.runs} repetitions failed.`));
    if (log.length) part.append(make("pre", log.join("\n"), { tabindex: "0", "aria-label": "The end of the log" }));
  }

  repeat(row) {
    const words = commandLine(row.arguments);
    const commands = ["cargo xtask conformance", "osevent-conformance"].map((program) => `${program} ${words}`);
    this.part("repeat").replaceChildren(make("h3", "Run it again:"), ...commands.map((command, at) => {
      const line = make("p", undefined, { class: "command" });
      const how = at === 0 ? "in the source tree" : "with the program alone";
      line.append(make("code", command), button("copy", (event) => copy(command, event.currentTarget),
        { "aria-label": `Copy the command ${how}` }), make("small", how));
      return line;
    }));
  }

  clauses(row) {
    const { broken } = row;
    const part = this.part("clause-texts");
    part.replaceChildren();
    for (const [title, ids] of [["Broken", broken], ["Checked", row.clauses.filter((id) => !broken.includes(id))]]) {
      if (!ids.length) continue;
      const list = make("dl");
      for (const id of ids) {
        const text = make("dd");
        text.append(clauseText(this.data.clauses[id] ?? "The contract has no such clause."));
        list.append(make("dt", id), text);
      }
      part.append(make("h3", `${title} clauses`), list);
    }
  }

  tell({ record, result }) {
    // The place to look at: what the monitor found, or where a case gave up.
    const start = record.violations[0]?.step ?? (result === "failed" ? record.steps.length - 1 : 0);
    this.story = new Story(record);
    const height = record.steps.length * STEP_HEIGHT;
    this.part("steps").firstElementChild.style.height = `${height}px`;
    this.part("steps").style.height = `${Math.min(height + 4, 340)}px`;
    this.part("next-violation").hidden = record.violations.length === 0;
    this.lanes = new Lanes(this.part("lanes"), this.part("tip"), this.story, start, (index) => this.select(index));
    this.scale(true, false);
    this.select(start);
  }

  scale(byOrder, change = true) {
    this.part("by-order").setAttribute("aria-pressed", byOrder);
    this.part("by-time").setAttribute("aria-pressed", !byOrder);
    if (change) this.lanes.scale(byOrder);
  }

  select(index) {
    this.lanes.select(index);
    const broken = (this.story.violationsOf.get(index) ?? []).map((violation) => ` ${violation.clause}: ${violation.text}`);
    this.part("detail").replaceChildren(this.story.fullText(index), ...broken.map((text) => make("strong", text)));
    const list = this.part("steps");
    const top = index * STEP_HEIGHT;
    if (top < list.scrollTop || top + STEP_HEIGHT > list.scrollTop + list.clientHeight) {
      list.scrollTop = top - list.clientHeight / 2;
    }
    this.fillSteps();
  }

  nextViolation(direction) {
    const steps = this.story.violations.map((violation) => violation.step).sort((a, b) => (a - b) * direction);
    if (!steps.length) return;
    this.select(steps.find((step) => (step - this.lanes.selected) * direction > 0) ?? steps[0]);
  }

  // The next step on the same thread, or the selected one if it is the last.
  alongThread(direction) {
    const { steps } = this.story;
    const here = this.lanes.selected;
    let at = here + direction;
    while (steps[at] && steps[at].thread !== steps[here].thread) at += direction;
    return steps[at] ? at : here;
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const last = this.story.steps.length - 1;
    const here = this.lanes.selected;
    const to = (index) => this.select(Math.min(last, Math.max(0, index)));
    const inList = event.currentTarget.id === "steps";
    const keys = {
      ArrowLeft: () => (event.shiftKey ? this.lanes.pan(-0.2) : to(here - 1)),
      ArrowRight: () => (event.shiftKey ? this.lanes.pan(0.2) : to(here + 1)),
      ArrowUp: () => to(inList ? here - 1 : this.alongThread(-1)),
      ArrowDown: () => to(inList ? here + 1 : this.alongThread(1)),
      PageUp: () => to(here - 10), PageDown: () => to(here + 10), Home: () => to(0), End: () => to(last),
      "+": () => this.lanes.zoom(2, this.lanes.place(here)), "=": () => this.lanes.zoom(2, this.lanes.place(here)),
      "-": () => this.lanes.zoom(0.5, this.lanes.place(here)), "0": () => this.lanes.fit(),
      v: () => this.nextViolation(1), V: () => this.nextViolation(-1),
    };
    const does = keys[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }

  // Only the steps that can be seen are elements.
  fillSteps() {
    if (!this.story) return;
    const list = this.part("steps");
    const first = Math.max(0, Math.floor(list.scrollTop / STEP_HEIGHT) - 4);
    const end = Math.min(this.story.steps.length, Math.ceil((list.scrollTop + list.clientHeight) / STEP_HEIGHT) + 4);
    const room = list.firstElementChild;
    room.replaceChildren();
    for (let index = first; index < end; index++) room.append(this.stepElement(index));
    list.setAttribute("aria-activedescendant", `step-${this.lanes.selected}`);
  }

  stepElement(index) {
    const { story } = this;
    const step = story.steps[index];
    const broken = story.violationsOf.get(index) ?? [];
    const line = make("div", undefined, {
      id: `step-${index}`, "data-step": index, role: "option", "aria-selected": index === this.lanes.selected,
      "aria-setsize": story.steps.length, "aria-posinset": index + 1, class: broken.length ? "broken" : "",
      style: `top: ${index * STEP_HEIGHT}px`,
    });
    const text = make("span", undefined, { class: "what", style: `padding-left: ${story.depths[index] * 1.25}em` });
    const kind = KINDS[step.what] ?? ENDS[step.what] ?? "remark";
    text.append(make("i", "", { style: `background: var(--${kind})`, class: step.what in ENDS ? "end" : "" }));
    text.append(...broken.map((violation) => make("strong", `${violation.clause} `, { title: violation.text })), stepText(step));
    const since = index ? `+${duration(step.at - story.steps[index - 1].at)}` : "";
    line.append(make("span", index, { class: "number" }), make("span", moment(step.at), { class: "number" }),
      make("span", since, { class: "number" }), make("span", story.threads[step.thread]), text);
    return line;
  }

  stepsAsText() {
    return this.story.steps.map((_, index) => this.story.fullText(index) +
      (this.story.violationsOf.get(index) ?? []).map((violation) => `\n  ${violation.clause}: ${violation.text}`).join("")).join("\n");
  }
}
