// Dialogs: `data-dialog="ID"` opens one, `data-close` closes it. Its form sends its fields as JSON to the API, with the
// method `data-send` to the address `data-to`. The dialog shows a refusal; on success the page `data-next` opens, or this
// page is updated.
document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog).showModal();
  event.target.closest?.("[data-close]")?.closest("dialog").close();
});

for (const form of document.querySelectorAll("dialog form[data-send]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const buttons = form.querySelectorAll("button");
    for (const button of buttons) button.disabled = true;
    const refusal = await refusalOf(form);
    for (const button of buttons) button.disabled = false;
    const line = form.querySelector(".error");
    line.textContent = refusal;
    line.hidden = !refusal;
    if (refusal) return;
    form.closest("dialog").close();
    if (form.dataset.next) location.assign(form.dataset.next);
    else document.dispatchEvent(new Event("stale"));
  });
}

async function refusalOf(form) {
  const fields = Object.fromEntries(new FormData(form));
  const body = Object.keys(fields).length
    ? { headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields) }
    : {};
  try {
    const answer = await fetch(form.dataset.to, { method: form.dataset.send, ...body });
    if (answer.ok) return "";
    const problem = await answer.json().catch(() => ({}));
    return problem.detail ?? `The service answers ${answer.status}.`;
  } catch {
    return "The service does not answer.";
  }
}
