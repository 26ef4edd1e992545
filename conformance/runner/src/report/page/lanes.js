// The lanes of a story over time, on one canvas that is as large as what is seen of it.

const ROW = 20, GAP = 10, AXIS = 34, OVERVIEW = 22, LABELS = 128, SMALLEST_BAR = 2;

// Puts registrations into as few rows as can hold them without overlap; gives each its `row`. Returns how many.
function pack(registrations) {
  const ends = [];
  for (const registration of registrations) {
    let row = ends.findIndex((end) => end < registration.first);
    if (row < 0) row = ends.length;
    ends[row] = Math.max(registration.last, ...registration.marks.map((mark) => mark.first));
    registration.row = row;
  }
  return ends.length;
}

class Lanes {
  // Begins at the step `start`. `moved` is called with the index of a step that is chosen here.
  constructor(element, tip, story, start, moved) {
    Object.assign(this, { element, tip, story, moved });
    this.canvas = element.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    this.byOrder = true;
    this.selected = start;
    this.layOut();
    this.listeners = new AbortController();
    const on = (target, name, does, options) =>
      target.addEventListener(name, does, { signal: this.listeners.signal, ...options });
    on(element, "scroll", () => this.draw());
    on(element, "wheel", (event) => this.wheel(event), { passive: false });
    on(element, "pointerdown", (event) => this.press(event));
    on(element, "pointermove", (event) => this.hover(event));
    on(element, "pointerup", () => { this.drag = null; });
    on(element, "pointerleave", () => { this.tip.hidden = true; });
    on(element, "focus", () => this.draw());
    on(element, "blur", () => this.draw());
    on(matchMedia("(prefers-color-scheme: dark)"), "change", () => this.draw());
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(element);
    this.begin();
  }

  remove() {
    this.listeners.abort();
    this.sizes.disconnect();
    this.tip.hidden = true;
  }

  // What lies where from top to bottom.
  layOut() {
    const { story } = this;
    const depths = story.threads.map(() => 1);
    for (const bar of story.bars) depths[bar.thread] = Math.max(depths[bar.thread], bar.depth + 1);
    let top = AXIS + OVERVIEW + GAP;
    this.labels = [];
    const lane = (text, rows) => {
      this.labels.push({ text, top, rows });
      const at = top;
      top += rows * ROW + GAP;
      return at;
    };
    this.threadTops = story.threads.map((name, thread) =>
      lane(story.loops.has(thread) && !name.includes("loop") ? `${name} (loop)` : name, depths[thread]));
    this.threadsEnd = top;
    const groups = new Map();
    for (const registration of story.registrations) {
      const client = story.clients > 1 ? `client ${registration.client}, ` : "";
      const name = client + (registration.fd === null ? "timeouts" : `fd ${registration.fd}`);
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(registration);
    }
    // Fds by number, timeouts last.
    const names = [...groups.keys()].sort((a, b) =>
      a.endsWith("timeouts") - b.endsWith("timeouts") || a.localeCompare(b, "en", { numeric: true }));
    for (const name of names) {
      const laneTop = lane(name, pack(groups.get(name)));
      for (const registration of groups.get(name)) registration.top = laneTop + registration.row * ROW;
    }
    this.height = top;
    this.element.querySelector("#room").style.height = `${top}px`;
    this.element.style.height = `${Math.min(top + 4, 440)}px`;
  }

  // Small records whole; of large ones the place of the selected step, and more of what was before it than after.
  begin() {
    this.fit();
    if (this.story.steps.length > 70) this.show(this.selected - 40, Math.max(60, this.selected + 20));
  }

  // Where a step is, in the scale that is chosen: steps, or nanoseconds since the record began.
  place(index) {
    return this.byOrder ? index : this.story.steps[index].at;
  }

  whole() {
    const last = this.story.steps.length - 1;
    return this.byOrder ? last + 1 : Math.max(1, this.place(last) * 1.01);
  }

  // Where a bar ends: a step wide at least where steps are equally wide.
  endPlace(first, last) {
    return this.byOrder ? Math.max(last, first) + 0.8 : this.place(last);
  }

  x(place) {
    return LABELS + ((place - this.from) / (this.to - this.from)) * (this.width - LABELS);
  }

  placeAt(x) {
    return this.from + ((x - LABELS) / (this.width - LABELS)) * (this.to - this.from);
  }

  show(from, to) {
    const whole = this.whole();
    const least = this.byOrder ? 5 : Math.min(1000, whole);
    const span = Math.min(whole, Math.max(least, to - from));
    this.from = Math.min(Math.max(0, from), whole - span);
    this.to = this.from + span;
    this.draw();
  }

  fit() {
    this.show(0, this.whole());
  }

  scale(byOrder) {
    this.byOrder = byOrder;
    this.fit();
    this.reveal();
  }

  zoom(factor, around = (this.from + this.to) / 2) {
    this.show(around - (around - this.from) / factor, around + (this.to - around) / factor);
  }

  pan(part) {
    const by = (this.to - this.from) * part;
    this.show(this.from + by, this.to + by);
  }

  select(index) {
    this.selected = index;
    this.reveal();
    this.draw();
  }

  reveal() {
    const at = this.place(this.selected);
    const span = this.to - this.from;
    if (at < this.from || at > this.to - span * 0.02) this.show(at - span / 2, at + span / 2);
    const top = this.topOf(this.selected);
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop + AXIS + OVERVIEW || top + ROW > scrollTop + clientHeight) {
      this.element.scrollTop = Math.max(0, top - clientHeight / 2);
    }
  }

  topOf(index) {
    const depth = this.story.barOf[index]?.depth ?? this.story.depths[index];
    return this.threadTops[this.story.steps[index].thread] + depth * ROW;
  }

  wheel(event) {
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.ctrlKey || event.metaKey) {
      this.zoom(Math.exp(-event.deltaY / 300), this.placeAt(event.offsetX));
    } else if (sideways) {
      this.pan(sideways / this.width);
    } else {
      return;
    }
    event.preventDefault();
  }

  press(event) {
    const { x, y } = this.pointer(event);
    if (event.button !== 0 || x < LABELS) return;
    this.element.focus({ preventScroll: true });
    if (y - this.element.scrollTop < OVERVIEW) {
      const at = ((x - LABELS) / (this.width - LABELS)) * this.whole();
      const half = (this.to - this.from) / 2;
      this.show(at - half, at + half);
      return;
    }
    this.drag = { x, from: this.from, to: this.to };
    const hit = this.hit(x, y);
    if (hit !== null) this.moved(hit);
  }

  pointer(event) {
    const box = this.element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top + this.element.scrollTop };
  }

  hover(event) {
    const { x, y } = this.pointer(event);
    if (this.drag && event.buttons & 1) {
      const by = ((this.drag.x - x) / (this.width - LABELS)) * (this.drag.to - this.drag.from);
      this.show(this.drag.from + by, this.drag.to + by);
      return;
    }
    const hit = this.hit(x, y);
    this.tip.hidden = hit === null;
    if (hit === null) return;
    const broken = (this.story.violationsOf.get(hit) ?? []).map((violation) => `\n${violation.clause}: ${violation.text}`);
    this.tip.textContent = this.story.fullText(hit) + broken.join("");
    const right = Math.min(event.clientX + 14, innerWidth - this.tip.offsetWidth - 8);
    this.tip.style.left = `${right}px`;
    this.tip.style.top = `${Math.min(event.clientY + 18, innerHeight - this.tip.offsetHeight - 8)}px`;
  }

  // The step of what is drawn there.
  hit(x, y) {
    const inRow = (top) => y >= top && y < top + ROW;
    const across = (first, last) =>
      x >= this.x(this.place(first)) - 2 && x <= Math.max(this.x(this.endPlace(first, last)), this.x(this.place(first)) + 4);
    const { story } = this;
    for (const mark of story.registrations.filter((each) => inRow(each.top)).flatMap((each) => each.marks)) {
      if (across(mark.first, mark.first)) return mark.first;
    }
    const registration = story.registrations.find((each) => inRow(each.top) && across(each.first, each.last));
    if (registration) return registration.first;
    const bar = story.bars.findLast((each) => inRow(this.threadTops[each.thread] + each.depth * ROW) && across(each.first, each.last));
    if (bar) return bar.first;
    const remark = story.steps.findIndex((step, index) =>
      step.what === "remark" && inRow(this.topOf(index)) && across(index, index));
    return remark < 0 ? null : remark;
  }

  // Asks for a drawing before the next frame; many requests are one.
  draw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      if (!this.listeners.signal.aborted) this.paint();
    });
  }

  paint() {
    const { canvas, context, element } = this;
    this.width = element.clientWidth;
    const height = element.clientHeight;
    const ratio = devicePixelRatio;
    if (canvas.width !== Math.round(this.width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(this.width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${this.width}px`;
      canvas.style.height = `${height}px`;
    }
    const style = getComputedStyle(element);
    this.colour = (name) => style.getPropertyValue(`--${name}`);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = this.colour("panel");
    context.fillRect(0, 0, this.width, height);
    context.font = `12px ${style.fontFamily}`;
    context.textBaseline = "middle";
    context.save();
    context.translate(0, -element.scrollTop);
    this.paintStripes();
    context.save();
    context.beginPath();
    context.rect(LABELS, element.scrollTop, this.width - LABELS, height);
    context.clip();
    this.paintSelection();
    this.paintBars();
    this.paintRegistrations();
    context.restore();
    this.paintLabels();
    context.restore();
    this.paintAxis();
    this.paintViolations(height);
  }

  paintStripes() {
    const { context } = this;
    this.labels.forEach(({ top, rows }, at) => {
      context.fillStyle = this.colour(at % 2 ? "panel" : "stripe");
      context.fillRect(0, top - GAP / 2, this.width, rows * ROW + GAP);
    });
  }

  paintLabels() {
    const { context } = this;
    context.fillStyle = this.colour("text");
    for (const { text, top } of this.labels) context.fillText(text, 12, top + ROW / 2, LABELS - 18);
    context.fillStyle = this.colour("line");
    context.fillRect(0, this.threadsEnd - GAP / 2, this.width, 2);
    context.fillRect(LABELS - 1, this.element.scrollTop, 1, this.element.clientHeight);
  }

  // A bar from a step to another, with its text where there is room. Several that share a pixel are drawn once.
  paintBar(first, last, top, colour, text, drawn) {
    const left = this.x(this.place(first));
    const right = this.x(this.endPlace(first, last));
    if (right < LABELS || left > this.width) return;
    const shown = Math.max(left, LABELS - 4);
    const width = Math.max(SMALLEST_BAR, Math.min(right, this.width + 4) - shown);
    const pixel = `${top} ${Math.round(shown)}`;
    if (width <= SMALLEST_BAR && drawn.has(pixel)) return;
    drawn.add(pixel);
    const { context } = this;
    context.fillStyle = this.colour(colour);
    context.fillRect(shown, top + 2, width, ROW - 4);
    if (width > 30) {
      context.fillStyle = this.colour("on-bar");
      this.text(text, shown + 4, top + ROW / 2 + 0.5, width - 6);
    }
  }

  // The text, cut to the room it has.
  text(text, x, y, room) {
    const { context } = this;
    let shown = text;
    let wide = context.measureText(text).width;
    for (let fits = Math.floor((text.length * room) / wide); wide > room && fits > 1; fits--) {
      shown = text.slice(0, fits) + "…";
      wide = context.measureText(shown).width;
    }
    if (wide <= room) context.fillText(shown, x, y);
  }

  paintBars() {
    const { story, context } = this;
    const drawn = new Set();
    for (const bar of story.bars) {
      const top = this.threadTops[bar.thread] + bar.depth * ROW;
      this.paintBar(bar.first, bar.last, top, bar.kind, barText(story.steps[bar.first]), drawn);
    }
    context.fillStyle = this.colour("text");
    story.steps.forEach((step, index) => {
      if (step.what !== "remark") return;
      const x = this.x(this.place(index));
      const y = this.topOf(index) + ROW / 2;
      if (x < LABELS || x > this.width) return;
      context.beginPath();
      context.moveTo(x, y - 6);
      context.lineTo(x + 6, y);
      context.lineTo(x, y + 6);
      context.lineTo(x - 6, y);
      context.fill();
    });
  }

  paintRegistrations() {
    const { story, context } = this;
    const drawn = new Set();
    for (const each of story.registrations) {
      const colour = each.refused ? "refused" : each.fd === null ? "timeout" : "fd";
      const asked = story.steps[each.first];
      const wanted = each.fd === null ? (deadlineIsZero(asked) ? "at once" : deadlineDistance(asked)) : pollBits(asked.events);
      this.paintBar(each.first, each.last, each.top, colour, `${each.number}: ${each.refused ? "refused" : wanted}`, drawn);
      for (const mark of each.marks) {
        const left = this.x(this.place(mark.first));
        const right = Math.max(left + 2, this.x(this.endPlace(mark.first, mark.bar.last)));
        const pixel = `${mark.kind} ${each.top} ${Math.round(left)}`;
        if (right < LABELS || left > this.width || drawn.has(pixel)) continue;
        drawn.add(pixel);
        if (mark.kind === "late") {
          context.fillStyle = this.colour("failed");
          context.fillRect(left, each.top + 2, right - left, ROW - 4);
        } else if (mark.kind === "occurrence") {
          context.fillStyle = this.colour("occurrence");
          context.fillRect(left, each.top + ROW - 6, right - left, 4);
        } else {
          context.fillStyle = this.colour("text");
          context.fillRect(left, each.top + 1, 2, ROW - 2);
          context.beginPath();
          context.moveTo(left - 3, each.top);
          context.lineTo(left + 5, each.top);
          context.lineTo(left + 1, each.top + 5);
          context.fill();
        }
      }
    }
  }

  paintSelection() {
    const { context, story } = this;
    const left = this.x(this.place(this.selected));
    context.fillStyle = this.colour("selected");
    const width = this.byOrder ? Math.max(2, this.x(this.place(this.selected) + 0.8) - left) : 2;
    context.fillRect(left, AXIS + OVERVIEW, width, Math.max(this.height, this.element.clientHeight));
    const registration = story.registrationOf[this.selected];
    if (!registration) return;
    const from = this.x(this.place(registration.first));
    const to = this.x(this.endPlace(registration.first, registration.last));
    context.fillRect(from - 3, registration.top - 1, to - from + 6, ROW + 2);
  }

  // The whole record as a strip, with the part that is seen below; then the scale.
  paintAxis() {
    const { context, story } = this;
    context.fillStyle = this.colour("panel");
    context.fillRect(0, 0, this.width, AXIS + OVERVIEW);
    const across = this.width - LABELS;
    const whole = this.whole();
    const counts = new Uint16Array(Math.ceil(across / 2) + 1);
    story.steps.forEach((_, index) => { counts[Math.floor(((this.place(index) / whole) * across) / 2)]++; });
    const most = Math.max(...counts);
    context.fillStyle = this.colour("call");
    counts.forEach((count, at) => {
      const high = count ? Math.max(2, (count / most) * (OVERVIEW - 6)) : 0;
      context.fillRect(LABELS + at * 2, OVERVIEW - 2 - high, 2, high);
    });
    context.strokeStyle = this.colour("accent");
    context.lineWidth = 2;
    const left = LABELS + (this.from / whole) * across;
    context.strokeRect(left + 1, 1, Math.max(4, ((this.to - this.from) / whole) * across) - 2, OVERVIEW - 2);
    context.fillStyle = this.colour("failed");
    for (const { step } of story.violations) {
      context.fillRect(LABELS + (this.place(step) / whole) * across - 1, 0, 3, OVERVIEW);
    }
    context.fillStyle = this.colour("muted");
    context.fillText(this.byOrder ? "step, time" : "time", 12, OVERVIEW + AXIS / 2);
    context.fillText("whole", 12, OVERVIEW / 2);
    this.paintTicks();
    context.fillStyle = this.colour("line");
    context.fillRect(0, OVERVIEW + AXIS - 1, this.width, 1);
  }

  paintTicks() {
    const { context, story } = this;
    const rough = ((this.to - this.from) / (this.width - LABELS)) * 130;
    const power = 10 ** Math.floor(Math.log10(rough));
    let every = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
    if (this.byOrder) every = Math.max(1, Math.round(every));
    for (let at = Math.ceil(this.from / every) * every; at <= this.to; at += every) {
      const x = this.x(at);
      if (this.byOrder && at >= story.steps.length) break;
      const text = this.byOrder ? `${at}, ${moment(story.steps[at].at)}` : duration(at);
      context.fillStyle = this.colour("line");
      context.fillRect(x, OVERVIEW + AXIS - 8, 1, 8);
      context.fillStyle = this.colour("muted");
      this.text(text, x + 4, OVERVIEW + AXIS - 8, this.width - x - 4);
    }
  }

  // Each as a line through all lanes, with its clause and as much of its text as there is room for.
  paintViolations(height) {
    const { context, story } = this;
    const seen = story.violations.map((violation) => ({ violation, x: this.x(this.place(violation.step)) }))
      .filter(({ x }) => x >= LABELS && x <= this.width);
    seen.forEach(({ violation, x }, at) => {
      context.fillStyle = this.colour("failed");
      context.fillRect(x - 1, OVERVIEW, 2, height);
      const next = seen[at + 1]?.x ?? Infinity;
      const label = `${violation.clause} ${violation.text.replace(/\s+/g, " ")}`;
      const wanted = Math.min(context.measureText(label).width + 12, 460, Math.max(40, next - x - 4));
      const left = Math.min(x - 1, this.width - wanted);
      context.fillRect(left, OVERVIEW, wanted, 18);
      context.fillStyle = this.colour("on-bar");
      this.text(label, left + 5, OVERVIEW + 9.5, wanted - 8);
    });
  }
}
