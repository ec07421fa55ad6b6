// Buttons that copy: `data-copy="ID"` names the element whose text is copied.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-copy]");
  if (!button) return;
  const wanted = document.getElementById(button.dataset.copy);
  const before = button.textContent;
  button.textContent = (await copied(wanted)) ? "Copied" : "Press Ctrl-C";
  setTimeout(() => (button.textContent = before), 2000);
});

async function copied(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    // The clipboard needs HTTPS or localhost. Otherwise the text is selected, so that Ctrl-C copies it.
    getSelection().selectAllChildren(element);
    return false;
  }
}
