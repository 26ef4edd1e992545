"use strict";

// What a record means: which steps begin and end one another, and which registration each of them is about.

const POLL_BITS = [[1, "POLLIN"], [2, "POLLPRI"], [4, "POLLOUT"], [8, "POLLERR"], [16, "POLLHUP"], [32, "POLLNVAL"]];

const KINDS = {
  fd_register: "hook", fd_modify: "hook", fd_deregister: "hook",
  timeout_register: "hook", timeout_modify: "hook", timeout_deregister: "hook",
  fd_occurrence: "occurrence", timeout_occurrence: "occurrence", call: "call", free: "free",
};

const ENDS = { hook_returned: "hook", occurrence_returned: "occurrence", call_returned: "call", freed: "free" };

function pollBits(bits) {
  const names = POLL_BITS.filter(([bit]) => bits & bit).map(([, name]) => name);
  const known = POLL_BITS.reduce((sum, [bit]) => sum | bit, 0);
  if (bits & ~known) names.push("0x" + (bits & ~known & 0xffff).toString(16));
  return names.join("|") || "none";
}

function deadlineText(step) {
  if (deadlineIsZero(step)) return "{0,0}";
  const [seconds, micros] = step.deadline;
  const distance = deadlineDistance(step);
  return `${seconds}.${String(micros).padStart(6, "0")}${distance && ` (${distance})`}`;
}

// How far the deadline is from the step itself, on the wall clock; nothing where that is not known.
function deadlineDistance(step) {
  if (!step.wall) return "";
  const nanoseconds = (step.deadline[0] * 1e6 + step.deadline[1] - step.wall) * 1e3;
  return nanoseconds < 0 ? `${duration(-nanoseconds)} ago` : `in ${duration(nanoseconds)}`;
}

function duration(nanoseconds) {
  const units = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]];
  const [unit, name] = units.find(([size]) => Math.abs(nanoseconds) >= size) ?? [1, "ns"];
  return `${Number((nanoseconds / unit).toPrecision(3))} ${name}`;
}

function moment(nanoseconds) {
  return `${(nanoseconds / 1e6).toFixed(3)} ms`;
}

// One line that says all of a step.
function stepText(step) {
  switch (step.what) {
    case "fd_register": return `fd_register fd ${step.fd}, ${pollBits(step.events)}, for_libxl ${step.value}`;
    case "fd_modify": return `fd_modify fd ${step.fd}, ${pollBits(step.events)}, handle ${step.handle}`;
    case "fd_deregister": return `fd_deregister fd ${step.fd}, handle ${step.handle}`;
    case "timeout_register": return `timeout_register ${deadlineText(step)}, for_libxl ${step.value}`;
    case "timeout_modify": return `timeout_modify ${deadlineText(step)}, handle ${step.handle}`;
    case "timeout_deregister": return `timeout_deregister handle ${step.handle}`;
    case "hook_returned": return step.code ? `hook returns ${step.code}: refused` : `hook returns, handle ${step.handle}`;
    case "fd_occurrence":
      return `occurred_fd fd ${step.fd}, revents ${pollBits(step.revents)} of ${pollBits(step.events)}, for_libxl ${step.value}`;
    case "timeout_occurrence": return `occurred_timeout for_libxl ${step.value}`;
    case "occurrence_returned": return "occurrence returns";
    case "call": return "the application calls the client";
    case "call_returned": return "the call returns";
    case "free": return "libxl_ctx_free";
    case "freed": return "libxl_ctx_free returns";
    case "remark": return step.text;
    default: return step.what;
  }
}

// The few words that fit a bar.
function barText(step) {
  switch (step.what) {
    case "fd_register": case "fd_modify": case "fd_deregister": return `${step.what.slice(3)} fd ${step.fd}`;
    case "timeout_register": case "timeout_modify": case "timeout_deregister": return step.what.replace("_", " ");
    case "fd_occurrence": return `fd ${step.fd} occurs`;
    case "timeout_occurrence": return "timeout occurs";
    case "free": return "ctx_free";
    default: return step.what;
  }
}

// A record made ready to be drawn. `bars` are what has a begin and an end on a thread; `registrations` have a life with
// `marks` on it. All of them name steps by index; `last` is the final step where something never ended.
class Story {
  constructor(record) {
    Object.assign(this, { steps: record.steps, violations: record.violations });
    // Those that share a name are told apart by number.
    const alike = (name) => record.threads.filter((each) => each === name).length > 1;
    this.threads = record.threads.map((name, index) => (alike(name) ? `${name} ${index}` : name));
    this.bars = [];
    this.registrations = [];
    // By step: its bar, its registration, its depth on the thread, the violations that showed in it.
    this.barOf = new Array(this.steps.length).fill(null);
    this.registrationOf = new Array(this.steps.length).fill(null);
    this.depths = new Array(this.steps.length).fill(0);
    this.violationsOf = new Map();
    for (const violation of this.violations) {
      if (!this.violationsOf.has(violation.step)) this.violationsOf.set(violation.step, []);
      this.violationsOf.get(violation.step).push(violation);
    }
    this.stacks = this.threads.map(() => []);
    this.live = new Map();
    this.byValue = new Map();
    this.steps.forEach((step, index) => this.take(step, index));
    const end = this.steps.length - 1;
    for (const bar of this.bars) bar.last ??= end;
    for (const registration of this.registrations) registration.last ??= end;
    this.clients = new Set(this.steps.map((step) => step.client)).size;
    this.loops = new Set(this.bars.filter((bar) => bar.kind === "occurrence").map((bar) => bar.thread));
  }

  take(step, index) {
    const stack = this.stacks[step.thread];
    const kind = KINDS[step.what];
    if (kind) {
      const bar = { kind, thread: step.thread, first: index, last: null, depth: stack.length, registration: null };
      this.depths[index] = stack.length;
      this.bars.push(bar);
      this.barOf[index] = bar;
      stack.push(bar);
      this.begin(step, index, bar);
      this.registrationOf[index] = bar.registration;
      return;
    }
    const ended = ENDS[step.what];
    const at = ended ? stack.findLastIndex((bar) => bar.kind === ended) : -1;
    if (at >= 0) {
      const bar = stack[at];
      stack.length = at;
      bar.last = index;
      this.barOf[index] = bar;
      this.registrationOf[index] = bar.registration;
      this.end(step, index, bar);
    }
    this.depths[index] = stack.length;
  }

  begin(step, index, bar) {
    const named = () => this.live.get(`${step.client} ${step.handle}`) ?? null;
    switch (step.what) {
      case "fd_register": case "timeout_register": {
        const registration = {
          fd: step.fd ?? null, client: step.client, value: step.value, handle: null, first: index, last: null,
          refused: false, marks: [], number: this.registrations.length + 1,
        };
        this.registrations.push(registration);
        this.byValue.set(this.valueKey(step), registration);
        bar.registration = registration;
        break;
      }
      case "fd_modify": case "timeout_modify":
        bar.registration = named();
        bar.registration?.marks.push({ kind: deadlineIsZero(step) ? "cancel" : "modify", first: index, bar });
        break;
      case "fd_deregister": case "timeout_deregister":
        bar.registration = named();
        break;
      case "fd_occurrence": case "timeout_occurrence": {
        // for_libxl is used again and again: it means the registration that came last.
        const registration = this.byValue.get(this.valueKey(step)) ?? null;
        bar.registration = registration;
        if (!registration) break;
        const late = registration.last !== null && registration.last < index;
        registration.marks.push({ kind: late ? "late" : "occurrence", first: index, bar });
        if (step.what === "timeout_occurrence") registration.last ??= index;
        break;
      }
    }
  }

  end(step, index, bar) {
    const begun = this.steps[bar.first];
    const registration = bar.registration;
    switch (begun.what) {
      case "fd_register": case "timeout_register": case "fd_modify": case "timeout_modify":
        if (!registration) break;
        if (step.code) {
          if (begun.what.endsWith("register")) Object.assign(registration, { refused: true, last: index });
          break;
        }
        registration.handle = step.handle;
        this.live.set(`${step.client} ${step.handle}`, registration);
        break;
      case "fd_deregister": case "timeout_deregister":
        if (registration) registration.last ??= index;
        break;
      case "free":
        for (const each of this.registrations) if (each.client === step.client) each.last ??= index;
        break;
    }
  }

  valueKey(step) {
    return `${step.client} ${step.what.startsWith("fd") ? "fd" : "timeout"} ${step.value}`;
  }

  // What a registration is called.
  registrationText(registration) {
    const what = registration.fd === null ? "timeout" : `fd ${registration.fd}`;
    return `registration ${registration.number} (${what})`;
  }

  // A line that says all that is known of a step.
  fullText(index) {
    const step = this.steps[index];
    const client = this.clients > 1 ? `client ${step.client}, ` : "";
    let text = `step ${index}, ${moment(step.at)}, ${client}thread ${this.threads[step.thread]}: ${stepText(step)}`;
    const bar = this.barOf[index];
    if (bar && bar.last > bar.first) text += `; took ${duration(this.steps[bar.last].at - this.steps[bar.first].at)}`;
    const registration = this.registrationOf[index];
    if (registration) {
      text += `; ${this.registrationText(registration)}, steps ${registration.first} to ${registration.last}`;
      if (registration.refused) text += ", refused";
    }
    return text;
  }
}

function deadlineIsZero(step) {
  return step.deadline !== undefined && step.deadline[0] === 0 && step.deadline[1] === 0;
}
