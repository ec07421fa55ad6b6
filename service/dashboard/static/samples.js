const SHEET_COLUMNS = 8;
const SHOWN_PIXELS = 32; // of a cell of a sheet, as new.css says

// Shows some training images of each class in the `.samples` of its `[data-class]` row.
export async function showSamples(rows, address) {
  const answer = await fetch(address);
  if (!answer.ok) return;
  const { classes } = await answer.json();
  const places = new Map([...rows.querySelectorAll("[data-class]")].map((row) => [row.dataset.class, row]));
  for (const { name, samples } of classes) {
    places.get(name)?.querySelector(".samples").replaceChildren(...samples.map((sample) => picture(name, sample)));
  }
}

// Does the same from a task's picture, which has a row of square cells for each of its first classes, in the order of the rows.
export async function showSheet(rows, address) {
  const sheet = new Image();
  sheet.src = address;
  try {
    await sheet.decode();
  } catch {
    return; // the picture no longer exists; the classes have no images
  }
  const cell = sheet.naturalWidth / SHEET_COLUMNS;
  const places = [...rows.querySelectorAll("[data-class]")].slice(0, Math.round(sheet.naturalHeight / cell));
  for (const [index, row] of places.entries()) {
    const strip = document.createElement("div");
    strip.className = "sheet";
    strip.setAttribute("role", "img");
    strip.setAttribute("aria-label", `images of ${row.dataset.class}`);
    strip.style.backgroundImage = `url("${address}")`;
    strip.style.backgroundPosition = `0 -${index * SHOWN_PIXELS}px`;
    row.querySelector(".samples").replaceChildren(strip);
  }
}

function picture(name, { origin, width, height, png }) {
  const image = new Image();
  image.src = png;
  image.alt = `an image of ${name}`;
  image.title = `${origin}, ${width}×${height} pixels`;
  if (Math.max(width, height) < 48) image.className = "tiny";
  return image;
}
