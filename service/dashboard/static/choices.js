// Submits a form of choices at every change. Its button is only for browsers without scripts.
for (const form of document.querySelectorAll("[data-choices]")) {
  form.querySelector("button").hidden = true;
  form.addEventListener("change", () => form.requestSubmit());
}
