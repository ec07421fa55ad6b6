// Buttons that copy: `data-copy="ID"` names the element whose text is wanted.
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
    // No clipboard without HTTPS or localhost: the text is marked, so that one key copies it.
    getSelection().selectAllChildren(element);
    return false;
  }
}
