// Buttons that call the API: `data-post="ADDRESS"`. A button with `data-question` asks for confirmation first.
//
// A refusal is shown in the page's `data-refusal`; `live.js` then updates the page.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-post]");
  if (!button) return;
  if (button.dataset.question && !confirm(button.dataset.question)) return;
  button.disabled = true;
  showRefusal(button, await refusalOf(button.dataset.post));
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

function showRefusal(button, words) {
  const line = document.querySelector("[data-refusal]");
  if (!line) return;
  line.textContent = words && `${button.getAttribute("aria-label") ?? button.textContent}: ${words}`;
  line.hidden = !words;
}
