// Exchanges the key for a session, then opens the requested page.
import { problemOf, wordsOf } from "./problems.js";
import { rootPath } from "./root_path.js";

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
  // The service's own message is for its operator; a user who has mistyped the key needs another one.
  const words = problem.status === 401 ? { ...problem, status: 0, detail: "This key is not valid." } : problem;
  refusal.replaceChildren(...wordsOf(words));
  form.key.select();
});

async function signedIn(key) {
  try {
    const answer = await fetch(`${rootPath}/login`, {
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
  // Only a page of this service: any other address would make this form an open redirect.
  const next = new URL(new URLSearchParams(location.search).get("next") ?? `${rootPath}/`, location.origin);
  return next.origin === location.origin ? next.href : `${rootPath}/`;
}
