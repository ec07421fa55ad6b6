// Exchanges the key for a session, and goes on to the page that was asked for.
import { problemOf, wordsOf } from "./problems.js";

const form = document.getElementById("login");
const refusal = form.querySelector(".error");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  refusal.replaceChildren();
  const problem = await signedIn(form.key.value.trim());
  if (!problem) {
    location.assign(wanted());
    return;
  }
  // The words for whoever runs the service help nobody who has mistyped.
  const words = problem.status === 401 ? { ...problem, status: 0, detail: "This key opens nothing." } : problem;
  refusal.replaceChildren(...wordsOf(words));
  form.key.select();
});

async function signedIn(key) {
  try {
    const answer = await fetch("/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ key }),
    });
    return answer.ok ? null : problemOf(answer.status, await answer.text());
  } catch {
    return problemOf(0, "");
  }
}

function wanted() {
  // Only a page of this service: an address elsewhere would make this form a stepping stone.
  const next = new URL(new URLSearchParams(location.search).get("next") ?? "/", location.origin);
  return next.origin === location.origin ? next.href : "/";
}
