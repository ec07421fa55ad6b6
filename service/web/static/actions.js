// Buttons that ask the API for something: `data-post="ADDRESS"`, with `data-question` first where it cannot be undone.
//
// A refusal is shown in the page's `data-refusal`; what has changed is fetched by `live.js`.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-post]");
  if (!button) return;
  if (button.dataset.question && !confirm(button.dataset.question)) return;
  button.disabled = true;
  tell(button, await refusalOf(button.dataset.post));
  button.disabled = false;
  document.dispatchEvent(new Event("stale"));
});

async function refusalOf(address) {
  try {
    const answer = await fetch(address, { method: "POST" });
    if (answer.ok) return "";
    const problem = await answer.json().catch(() => ({}));
    return problem.detail ?? `The service answers ${answer.status}.`;
  } catch {
    return "The service does not answer.";
  }
}

function tell(button, words) {
  const line = document.querySelector("[data-refusal]");
  if (!line) return;
  line.textContent = words && `${button.getAttribute("aria-label") ?? button.textContent}: ${words}`;
  line.hidden = !words;
}
