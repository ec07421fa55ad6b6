// Step 2: the classes of the chosen dataset, and the task's classes that the user groups them into.
import { element } from "./problems.js";
import { groupsOf } from "./request.js";
import { rootPath } from "./root_path.js";
import { showSamples, showSheet } from "./samples.js";

const ROWS = 500; // most classes in the table; with more, the user types the groups

export class Classes {
  #root;
  #changed;
  #uri = null;
  #names = null;
  #counts = null;
  #groups = 2;
  #groupOf = new Map();

  // Calls `changed()` whenever the result of `groups()` may have changed.
  constructor(root, changed) {
    this.#root = root;
    this.#changed = changed;
    root.addEventListener("change", (event) => this.#choose(event.target));
    this.#get("labels-lines").addEventListener("input", () => this.#changed());
    this.#get("labels-more").addEventListener("click", () => this.#more());
    this.#get("labels-clear").addEventListener("click", () => this.#clear());
  }

  // The groups in the form of the request, or null if the classes are not grouped.
  groups() {
    if (!this.#isGrouped()) return null;
    if (!this.#names) return groupsOf(this.#get("labels-lines").value);
    const groups = Array.from({ length: this.#groups }, () => []);
    for (const [name, group] of this.#groupOf) groups[group].push(name);
    return groups.filter((group) => group.length);
  }

  // Shows the classes of another dataset; `column` is the column of the labels, if it is not the default one.
  async show(uri, column) {
    const wanted = JSON.stringify([uri, column]);
    if (wanted === this.#uri) return;
    this.#uri = wanted;
    this.#groupOf.clear();
    const found = uri ? await classesOf(uri, column) : { words: "Choose images first; their classes are shown here." };
    if (wanted !== this.#uri) return; // the choice has changed in the meantime
    this.#names = found.names?.length <= ROWS ? found.names : null;
    this.#counts = found.counts ?? null;
    this.#get("classes-summary").textContent = found.words;
    this.#fill();
    this.#picture(found);
    this.#arrange();
    this.#changed();
  }

  #get(id) {
    return document.getElementById(id);
  }

  #isGrouped() {
    return this.#root.querySelector("[name=labels]:checked").value === "grouped";
  }

  #choose(control) {
    if (control.name === "labels") {
      if (this.#isGrouped() && !this.#groupOf.size) this.#get("labels-rest").checked = true;
      this.#arrange();
    } else if (control.dataset.of !== undefined) {
      if (control.value === "") this.#groupOf.delete(control.dataset.of);
      else this.#groupOf.set(control.dataset.of, Number(control.value));
    }
    this.#changed();
    this.#result();
  }

  #more() {
    this.#groups += 1;
    for (const select of this.#root.querySelectorAll("select[data-of]")) select.append(choice(this.#groups - 1));
  }

  #clear() {
    this.#groupOf.clear();
    for (const select of this.#root.querySelectorAll("select[data-of]")) select.value = "";
    this.#get("labels-lines").value = "";
    this.#changed();
    this.#result();
  }

  #fill() {
    const rows = (this.#names ?? []).map((name, index) => row(name, this.#counts?.[index], this.#groups));
    const body = this.#get("labels-table").querySelector("tbody");
    body.replaceChildren(...rows);
  }

  #picture({ samples, sheet }) {
    const table = this.#get("labels-table");
    table.classList.toggle("pictured", Boolean(samples || sheet));
    if (this.#names && samples) showSamples(table, rootPath + samples);
    if (this.#names && sheet) showSheet(table, rootPath + sheet);
  }

  #arrange() {
    const grouped = this.#isGrouped();
    this.#get("labels-table").hidden = !this.#names;
    this.#get("labels-table").classList.toggle("counted", Boolean(this.#counts));
    this.#get("labels-table").classList.toggle("grouping", grouped);
    this.#get("labels-typed").hidden = !grouped || Boolean(this.#names);
    this.#get("labels-grouped").hidden = !grouped;
    this.#get("labels-more").hidden = !this.#names;
    this.#result();
  }

  #result() {
    const result = this.#get("labels-result");
    const groups = this.#names && this.groups();
    if (!groups) {
      result.replaceChildren();
      return;
    }
    const lines = groups.map((group) => this.#line(this.#inOrder(group), group));
    const others = this.#names.filter((name) => !this.#groupOf.has(name));
    if (this.#get("labels-rest").checked) lines.push(this.#line(this.#restName(groups), others, this.#get("labels-balance").checked));
    const list = document.createElement("ol");
    list.append(...lines);
    result.replaceChildren(element("h3", `The task has ${lines.length} ${lines.length === 1 ? "class" : "classes"}`), list);
    if (!this.#get("labels-rest").checked && others.length) {
      result.append(element("p", `Left out: ${others.slice(0, 12).join(", ")}${others.length > 12 ? ", …" : ""}`));
    }
  }

  // The name of a task's class: its labels in the dataset's order.
  #inOrder(group) {
    return this.#names.filter((name) => group.includes(name)).join("|");
  }

  // The name of the class of all other labels: no group may have it too.
  #restName(groups) {
    const names = groups.map((group) => this.#inOrder(group));
    let name = "rest";
    while (names.includes(name)) name = `other than ${name}`;
    return name;
  }

  #line(name, members, isCut = false) {
    if (!this.#counts) return element("li", name);
    const images = members.reduce((sum, member) => sum + this.#counts[this.#names.indexOf(member)], 0);
    return element("li", `${name}: ${images.toLocaleString("en")} images${isCut ? ", cut to the mean of the others" : ""}`);
  }
}

function row(name, count, groups) {
  const made = document.createElement("tr");
  made.dataset.class = name;
  const heading = element("th", name);
  heading.scope = "row";
  const samples = element("td", "");
  samples.className = "samples";
  const images = element("td", count === undefined ? "" : count.toLocaleString("en"));
  images.className = "number";
  const group = element("td", "");
  group.className = "group";
  const select = document.createElement("select");
  select.dataset.of = name;
  select.setAttribute("aria-label", `class of the task for ${name}`);
  select.append(new Option("none of these", ""), ...Array.from({ length: groups }, (_, index) => choice(index)));
  group.append(select);
  made.append(heading, samples, images, group);
  return made;
}

function choice(index) {
  return new Option(`class ${index + 1}`, String(index));
}

// `names` in the dataset's order, `counts` of images and the address of `samples`, as far as known, and a summary in `words`.
async function classesOf(uri, column) {
  try {
    return uri.startsWith("dataset://") ? await uploaded(uri.slice(10)) : await readBefore(uri, column);
  } catch {
    return { words: "The service does not answer, so the classes are not known." };
  }
}

async function uploaded(name) {
  const answer = await fetch(`${rootPath}/v1/datasets/${encodeURIComponent(name)}`);
  if (!answer.ok) return { words: `The service answers ${answer.status}, so the classes are not known.` };
  const { classes, images, counts, samples } = await answer.json();
  const shares = ["train", "validation", "test"].map((split) => counts[split].toLocaleString("en"));
  return {
    names: classes.map((count) => count.name),
    counts: classes.map(({ train, validation, test }) => train + validation + test),
    samples,
    words: `${name} has ${classes.length.toLocaleString("en")} classes and ${images.toLocaleString("en")} images: ${shares[0]} to train on, ${shares[1]} to validate and ${shares[2]} to test.`,
  };
}

// The end of the address, which distinguishes the dataset from others.
function nameOf(uri) {
  return uri.split("?")[0].split("/").filter(Boolean).pop(); // a query may grant access
}

async function readBefore(uri, column) {
  const query = new URLSearchParams(column ? { uri, label_column: column } : { uri });
  const answer = await fetch(`${rootPath}/recommendations/new/classes?${query}`);
  const { names, told_by: task, sheet } = answer.ok ? await answer.json() : { names: null };
  if (!names) return { words: "Its classes are known only after the first job has read it. To group them, type their names." };
  return { names, sheet, words: `${nameOf(uri)} has ${names.length.toLocaleString("en")} classes${task ? `, as found by the task ${task}` : ""}.` };
}
