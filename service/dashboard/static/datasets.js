// The pages of datasets: sample images, uploads, and deletion after a confirmation.
import { problemOf, wordsOf } from "./problems.js";
import { rootPath } from "./root_path.js";
import { showSamples } from "./samples.js";
import { uploader } from "./upload.js";

const rows = document.querySelector("[data-samples]");
if (rows) showSamples(rows, rows.dataset.samples);

const upload = document.querySelector("[data-upload]");
if (upload) uploader(upload, ({ name }) => location.assign(`${rootPath}/datasets/${encodeURIComponent(name)}`));

const dialog = document.getElementById("delete");
let asked = null;

for (const button of document.querySelectorAll("[data-delete]")) {
  button.addEventListener("click", () => {
    asked = button;
    dialog.querySelector("[data-name]").textContent = button.dataset.delete;
    dialog.querySelector(".error").replaceChildren();
    dialog.querySelector("[data-confirm]").hidden = false;
    dialog.querySelector("[data-close]").textContent = "Keep it";
    dialog.showModal();
    dialog.querySelector("[data-close]").focus();
  });
}

dialog?.querySelector("[data-close]").addEventListener("click", () => dialog.close());
dialog?.querySelector("[data-confirm]").addEventListener("click", async (event) => {
  event.target.disabled = true;
  const problem = await deleted(asked.dataset.delete);
  event.target.disabled = false;
  if (!problem) {
    location.assign(asked.dataset.then ?? location.href);
    return;
  }
  dialog.querySelector(".error").replaceChildren(...wordsOf(problem));
  event.target.hidden = true;
  dialog.querySelector("[data-close]").textContent = "Close";
  dialog.querySelector("[data-close]").focus();
});

// The refusal, or null. A dataset that no longer exists counts as deleted.
async function deleted(name) {
  try {
    const answer = await fetch(`${rootPath}/v1/datasets/${encodeURIComponent(name)}`, { method: "DELETE" });
    return answer.ok || answer.status === 404 ? null : problemOf(answer.status, await answer.text());
  } catch {
    return problemOf(0, "");
  }
}
