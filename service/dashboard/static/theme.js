// Light or dark: follows the system until the user chooses. Runs before the page is drawn, so that it does not flash.
const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.dataset.theme = chosen;

document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("theme").addEventListener("click", () => {
    const next = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("theme", next);
    document.dispatchEvent(new Event("themechange"));
  });
  document.getElementById("logout")?.addEventListener("click", async () => {
    const { rootPath } = document.documentElement.dataset;
    await fetch(`${rootPath}/logout`, { method: "POST" });
    location.assign(`${rootPath}/login`);
  });
});

function isDark() {
  const theme = document.documentElement.dataset.theme;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}
