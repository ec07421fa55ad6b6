// Draws every `data-figure` of the page in the page's colours, and redraws it when the theme or the page changes.
import { rootPath } from "./root_path.js";
const dark = () =>
  document.documentElement.dataset.theme === "dark" ||
  (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const AGAIN_MS = 3000;

export async function draw(figure) {
  const drawing = figure.querySelector(".drawing");
  const summary = figure.querySelector(".summary");
  const answer = await fetch(figure.dataset.figure).catch(() => null);
  const received = answer?.ok ? await answer.json().catch(() => null) : null;
  if (!answer || (answer.ok && !received)) {
    summary.textContent = "The service does not answer. This figure tries again.";
    setTimeout(() => figure.isConnected && draw(figure), AGAIN_MS);
    return;
  }
  if (!answer.ok) {
    summary.textContent = answer.status === 404 ? "Not available yet." : "This figure could not be made.";
    return;
  }
  const { data, layout, summary: words } = received;
  summary.textContent = words;
  drawing.setAttribute("aria-label", words);
  await Plotly.react(drawing, data, themed(layout, figure), { displayModeBar: false, responsive: true });
  drawing.removeAllListeners?.("plotly_click");
  drawing.on("plotly_click", ({ points }) => {
    const address = points[0].customdata?.href ?? points[0].customdata;
    if (typeof address === "string" && address.startsWith("/")) location.assign(rootPath + address);
  });
}

function themed(layout, figure) {
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line"), automargin: true };
  const own = Object.fromEntries(
    Object.entries(layout).map(([name, value]) => [name, /^[xy]axis/.test(name) ? { ...axis, ...value } : value]),
  );
  return {
    height: Number(figure.dataset.height),
    margin: { t: 12, r: 12, b: 44, l: 56 },
    xaxis: axis,
    yaxis: axis,
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { family: "system-ui, sans-serif", size: 13, color: colour("--ink") },
    colorway: dark()
      ? ["#7fb0ff", "#ffb454", "#6bd6a8", "#ff8fa3", "#c9a6ff", "#8adfff", "#d9d27a"]
      : ["#2456b3", "#b35a00", "#13795b", "#b3264a", "#6b3fb3", "#0b7285", "#6b6500"],
    hoverlabel: { font: { family: "system-ui, sans-serif" } },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    ...own,
  };
}

function drawAll(root = document) {
  for (const figure of root.querySelectorAll("[data-figure]")) draw(figure);
}

document.addEventListener("themechange", () => drawAll());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());
document.addEventListener("exchanged", (event) => drawAll(event.target));
drawAll();
