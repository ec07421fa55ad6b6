// Step 4: the known tasks to choose from, fetched when the choice is opened.
import { rootPath } from "./root_path.js";
const AT_ONCE = 200;

export class Baselines {
  #root;
  #changed;
  #ticked = new Set();
  #names = null;

  constructor(root, changed) {
    this.#root = root;
    this.#changed = changed;
    root.querySelector("#baselines-filter").addEventListener("input", () => this.#show());
    root.addEventListener("change", ({ target }) => {
      if (target.type !== "checkbox") return;
      if (target.checked) this.#ticked.add(target.value);
      else this.#ticked.delete(target.value);
      this.#count();
      this.#changed();
    });
  }

  // The ticked names in the order of the list; null if the service chooses.
  chosen() {
    return this.#root.hidden ? null : (this.#names ?? []).map(({ name }) => name).filter((name) => this.#ticked.has(name));
  }

  async open(is) {
    this.#root.hidden = !is;
    if (!is || this.#names) return;
    try {
      this.#names = await everyBaseline();
    } catch {
      this.#status().textContent = "The known tasks could not be fetched.";
      return;
    }
    this.#show();
    this.#changed();
  }

  #status() {
    return this.#root.querySelector("[role=status]");
  }

  #show() {
    const wanted = this.#root.querySelector("#baselines-filter").value.trim().toLowerCase();
    const shown = (this.#names ?? []).filter(({ name }) => name.toLowerCase().includes(wanted));
    this.#root.querySelector(".ticks").replaceChildren(...shown.map((task) => this.#tick(task)));
    this.#count(shown.length);
  }

  #tick({ name, state }) {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.value = name;
    box.checked = this.#ticked.has(name);
    label.append(box, ` ${name}`);
    if (state !== "succeeded") label.append(` (${state})`);
    return label;
  }

  #count(shown = this.#root.querySelectorAll(".ticks input").length) {
    this.#status().textContent = `${this.#ticked.size} chosen, ${shown} shown of ${this.#names?.length ?? 0}`;
  }
}

async function everyBaseline() {
  const found = [];
  let after = null;
  do {
    const query = new URLSearchParams({ role: "baseline", limit: AT_ONCE, ...(after && { after }) });
    const answer = await fetch(`${rootPath}/v1/tasks?${query}`);
    if (!answer.ok) throw new Error(String(answer.status));
    const { items, next } = await answer.json();
    found.push(...items);
    after = next;
  } while (after);
  return found.sort((one, other) => one.name.localeCompare(other.name));
}
