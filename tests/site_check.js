/* What is wrong with the page that is open; each function returns lines. Read by tests/site_check.py. */
const all = selector => [...document.querySelectorAll(selector)];
const shown = element => element.checkVisibility({visibilityProperty: true});
const start = element => element.outerHTML.replace(/\s+/g, " ").slice(0, 120);
const lines = (problem, elements) => elements.map(element => `${problem}: ${start(element)}`);

/* Sections that are laid out only near the screen have no text until then. */
const unfold = () => {
  all("details").forEach(element => { element.open = true; });
  document.head.insertAdjacentHTML("beforeend", "<style>* { content-visibility: visible !important; }</style>");
};

/* Once the layout has followed a change of the screen. */
const settled = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));

function markup() {
  const ids = all("[id]").map(element => element.id);
  const twice = new Set(ids.filter((id, place) => ids.indexOf(id) !== place));
  const headings = all("h1, h2, h3, h4, h5, h6").filter(shown), level = heading => Number(heading.tagName[1]);
  const name = e => (e.getAttribute("aria-label") || e.innerText || e.querySelector("img")?.alt || "").trim();
  const labelled = e => e.labels?.length || e.getAttribute("aria-label") || e.getAttribute("aria-labelledby");
  return [
    ...[...twice].map(id => `id is not unique: ${id}`),
    ...(document.documentElement.lang ? [] : ["no language"]),
    ...(document.title.trim() ? [] : ["no title"]),
    ...(all("main").length === 1 ? [] : ["not one main element"]),
    ...(headings.filter(heading => level(heading) === 1).length === 1 ? [] : ["not one h1"]),
    ...lines("heading skips a level", headings.filter((e, n) => level(e) > (n ? level(headings[n - 1]) : 0) + 1)),
    ...lines("picture without text", all("img:not([alt]), img[alt=''], svg:not([aria-label], [aria-hidden])")),
    ...lines("link or button without text", all("a[href], button, summary").filter(shown).filter(e => !name(e))),
    ...lines("column without title", all("th").filter(shown).filter(e => !e.innerText.trim())),
    ...lines("navigation without name", all("nav:not([aria-label], [aria-labelledby])")),
    ...lines("list with another child than li", all("ul > :not(li), ol > :not(li)")),
    ...lines("field without label", all("input, select, textarea").filter(shown).filter(e => !labelled(e))),
  ];
}

function layout() {
  const wide = document.documentElement.scrollWidth;
  const scrolls = element => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
  const inside = element => element && (scrolls(element) || inside(element.parentElement));
  const visible = all("body *").filter(shown);
  const outside = visible.filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !inside(e));
  const overflows = e => scrolls(e) && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1);
  const reached = e => e.tabIndex >= 0 && e.getAttribute("aria-label");
  return [
    ...(wide > innerWidth ? [`scrolls sideways: ${wide} px`] : []),
    ...lines("out of reach", outside),
    ...lines("scrolls, but not by keyboard, or has no name", visible.filter(e => overflows(e) && !reached(e))),
  ];
}

/* Text that is too faint for level AA of WCAG 2.2, by its definitions of relative luminance and contrast ratio. */
function contrast() {
  const numbers = color => color.match(/[\d.]+/g).map(Number);
  const over = ([red, green, blue, alpha = 1], ground) => [red, green, blue].map((v, n) => alpha * v + (1 - alpha) * ground[n]);
  const linear = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const darkened = getComputedStyle(document.documentElement).colorScheme.includes("dark");
  const canvas = darkened && matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  const grounds = new Map([[null, canvas]]);
  const ground = element => {
    if (!grounds.has(element)) {
      grounds.set(element, over(numbers(getComputedStyle(element).backgroundColor), ground(element.parentElement)));
    }
    return grounds.get(element);
  };
  const writes = e => !e.disabled && [...e.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const problems = all("body, body *").filter(writes).filter(shown).map(element => {
    const style = getComputedStyle(element), size = parseFloat(style.fontSize), behind = ground(element);
    const color = numbers(element instanceof SVGElement ? style.fill : style.color);
    const [dark, light] = [luminance(over(color, behind)), luminance(behind)].sort((a, b) => a - b);
    const ratio = (light + 0.05) / (dark + 0.05), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    return ratio < (large ? 3 : 4.5) && `contrast ${ratio.toFixed(2)}: ${start(element)}`;
  });
  return [...new Set(problems.filter(Boolean))];
}

function links() {
  const elements = all("a[href], link[href], img[src]");
  return [...new Set(elements.map(element => element.getAttribute("href") ?? element.getAttribute("src")))];
}
