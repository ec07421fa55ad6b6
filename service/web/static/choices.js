// A form of choices shows what was chosen at once; its button is for who has no scripts.
for (const form of document.querySelectorAll("[data-choices]")) {
  form.querySelector("button").hidden = true;
  form.addEventListener("change", () => form.requestSubmit());
}
