// Exchanges the key for a session, and goes on to the page that was asked for.
const form = document.getElementById("login");
const refusal = form.querySelector(".error");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch("/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ key: form.key.value.trim() }),
  });
  if (answer.ok) {
    location.assign(wanted());
    return;
  }
  refusal.textContent = (await answer.json()).detail;
  refusal.hidden = false;
  form.key.select();
});

function wanted() {
  // Only a page of this service: an address elsewhere would make this form a stepping stone.
  const next = new URL(new URLSearchParams(location.search).get("next") ?? "/", location.origin);
  return next.origin === location.origin ? next.href : "/";
}
