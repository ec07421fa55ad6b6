// Some training images of each class, put where the page leaves room for them: `[data-class]` rows with `.samples`.
export async function showSamples(rows, address) {
  const answer = await fetch(address);
  if (!answer.ok) return;
  const { classes } = await answer.json();
  const places = new Map([...rows.querySelectorAll("[data-class]")].map((row) => [row.dataset.class, row]));
  for (const { name, samples } of classes) {
    places.get(name)?.querySelector(".samples").replaceChildren(...samples.map((sample) => picture(name, sample)));
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
