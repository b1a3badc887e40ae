"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const storageKey = `rating/${data.study}/${data.rater}`;
  const COLUMNS = ["study", "rater", "item", "letter", "criterion", "value", "cell"];
  const END = data.items.length;
  const INTRO = -1;

  // --- State: every rating by its cell, and the item that is shown ---

  const cellOf = (item, letter, criterion) => `${data.rater}/${item}/${letter}/${criterion}`;
  const isRated = (text) => text.note !== "" || text.lab !== "";
  const cellsOf = (item) =>
    item.texts.filter(isRated).flatMap((text) =>
      data.criteria.map((criterion) => ({ item: item.item, letter: text.letter, criterion: criterion.name })));
  const counted = data.items.filter((item) => item.item > 0);
  const cells = counted.flatMap(cellsOf);
  const ratings = new Map();
  let shown = INTRO;

  const ratingOf = (cell) => ratings.get(cellOf(cell.item, cell.letter, cell.criterion));
  const openCells = (item) => cellsOf(item).filter((cell) => ratingOf(cell) === undefined);

  function load() {
    try {
      const saved = JSON.parse(localStorage.getItem(storageKey) ?? "null");
      if (!saved) return;
      for (const [cell, value] of Object.entries(saved.ratings)) ratings.set(cell, value);
      shown = saved.shown;
    } catch (error) {
      notSaved();
    }
  }

  function save() {
    try {
      localStorage.setItem(storageKey, JSON.stringify({ shown, ratings: Object.fromEntries(ratings) }));
      byId("saved").textContent = "saved";
    } catch (error) {
      notSaved();
    }
  }

  function notSaved() {
    byId("saved").textContent = "This browser keeps nothing: save your ratings as CSV before you close the form.";
  }

  // --- The page; text is only ever set as text, so nothing in a note can become markup ---

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function title(item) {
    return item.item === 0 ? "Practice" : `Item ${item.item} of ${counted.length}`;
  }

  function showItem(item) {
    const texts = element("div", {}, ...item.texts.map((text) => textOf(item, text)));
    byId("item").replaceChildren(
      element("h2", { id: "heading", tabIndex: -1 }, title(item)),
      element("div", { className: "case", tabIndex: 0, role: "region", ariaLabel: "the patient" },
        element("h3", {}, "Medical note"), element("p", {}, item.note),
        element("h3", {}, "Lab tests"), element("p", {}, item.labs),
        element("h3", {}, "Diagnoses"),
        element("ul", {}, ...(item.diagnoses.length ? item.diagnoses : ["none of the 25"]).map((name) => element("li", {}, name)))),
      texts);
  }

  function textOf(item, text) {
    const article = element("article", { className: "text", ariaLabel: `Text ${text.letter}` },
      element("h3", {}, `Text ${text.letter}`));
    if (!isRated(text)) {
      article.append(element("p", { className: "hidden" }, "There is no text, so there is nothing to rate."));
      return article;
    }
    article.append(
      element("h4", {}, "From the note"), element("p", {}, text.note || "(nothing)"),
      element("h4", {}, "From the lab tests"), element("p", {}, text.lab || "(nothing)"),
      ...data.criteria.map((criterion) => statementOf(item, text, criterion)));
    return article;
  }

  function statementOf(item, text, criterion) {
    const cell = { item: item.item, letter: text.letter, criterion: criterion.name };
    const name = cellOf(cell.item, cell.letter, cell.criterion);
    const options = data.scale.map((label, i) =>
      element("label", {},
        element("input", { type: "radio", name, value: i + 1, checked: ratingOf(cell) === i + 1 }),
        element("b", {}, String(i + 1)), element("span", {}, label)));
    const legend = element("legend", {}, element("b", {}, criterion.name[0].toUpperCase() + criterion.name.slice(1)), `: ${criterion.statement}`);
    const field = element("fieldset", {}, legend, element("div", { className: "scale" }, ...options));
    field.addEventListener("change", (event) => rate(field, cell, Number(event.target.value), text.answers));
    if (text.answers && ratingOf(cell) !== undefined) explain(field, text.answers[criterion.name]);
    return field;
  }

  function rate(field, cell, value, answers) {
    ratings.set(cellOf(cell.item, cell.letter, cell.criterion), value);
    if (answers) explain(field, answers[cell.criterion]);
    save();
    showProgress();
  }

  function explain(field, answer) {
    field.querySelector(".why")?.remove();
    field.append(element("p", { className: "why" }, `Our answer: ${answer.value}. ${answer.why}`));
  }

  function showProgress() {
    const given = cells.filter((cell) => ratingOf(cell) !== undefined).length;
    byId("rated").textContent = `${given} of ${cells.length} ratings`;
    byId("progress").max = cells.length;
    byId("progress").value = given;
    byId("place").textContent = shown === INTRO ? "Introduction" : shown === END ? "Overview" : title(data.items[shown]);
  }

  function showEnd() {
    const open = counted.filter((item) => openCells(item).length);
    byId("missing").textContent = open.length
      ? "Some ratings are missing. The file can only be counted when it is complete; these items are open:"
      : "All ratings are given. Save them as CSV and send the file back. Thank you.";
    byId("open-items").replaceChildren(...open.map((item) => {
      const button = element("button", { type: "button" }, `Item ${item.item}: ${openCells(item).length} missing`);
      button.addEventListener("click", () => show(data.items.indexOf(item)));
      return button;
    }));
  }

  function show(place, focus = true) {
    shown = Math.min(Math.max(place, INTRO), END);
    byId("intro").hidden = shown !== INTRO;
    byId("item").hidden = shown === INTRO || shown === END;
    byId("end").hidden = shown !== END;
    if (shown === END) showEnd();
    else if (shown !== INTRO) showItem(data.items[shown]);
    byId("back").disabled = shown === INTRO;
    byId("next").disabled = shown === END;
    byId("next").textContent = shown === INTRO ? "Start" : "Next";
    byId("overview").disabled = shown === END;
    showProgress();
    save();
    if (focus) {
      scrollTo(0, 0);
      (shown === END ? byId("end-heading") : shown === INTRO ? byId("next") : byId("heading")).focus({ preventScroll: true });
    }
  }

  // --- Keyboard ---

  function focusField(field) {
    (field.querySelector("input:checked") ?? field.querySelector("input")).focus({ preventScroll: true });
    field.scrollIntoView({ block: "nearest" });
  }

  function neighbour(field, step) {
    const fields = [...document.querySelectorAll("#item fieldset")];
    return fields[fields.indexOf(field) + step];
  }

  function firstOpen() {
    const fields = [...document.querySelectorAll("#item fieldset")];
    return fields.find((field) => !field.querySelector("input:checked")) ?? fields[0];
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("item").hidden) return;
    const field = document.activeElement?.closest("fieldset");
    if (/^[1-5]$/.test(event.key)) {
      event.preventDefault();
      // Without a statement in focus a digit only leads to the first open one: nothing is rated that is not on the screen.
      if (!field) {
        focusField(firstOpen());
        return;
      }
      const option = field.querySelector(`input[value="${event.key}"]`);
      option.checked = true;
      option.dispatchEvent(new Event("change", { bubbles: true }));
      const following = neighbour(field, 1);
      if (following) focusField(following);
      else byId("next").focus();
    } else if (field && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const other = neighbour(field, event.key === "ArrowDown" ? 1 : -1);
      if (other) focusField(other);
    }
  });
  byId("back").addEventListener("click", () => show(shown - 1));
  byId("next").addEventListener("click", () => show(shown + 1));
  byId("overview").addEventListener("click", () => show(END));

  // --- Files ---

  function csv() {
    const rows = cells.map((cell) => [data.study, data.rater, cell.item, cell.letter, cell.criterion, ratingOf(cell) ?? "",
      cellOf(cell.item, cell.letter, cell.criterion)]);
    return [COLUMNS, ...rows].map((row) => row.join(",") + "\n").join("");
  }

  byId("export").addEventListener("click", () => {
    const url = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    element("a", { href: url, download: `responses-${data.rater}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    const open = cells.filter((cell) => ratingOf(cell) === undefined).length;
    byId("message").textContent = `Saved as responses-${data.rater}.csv` + (open ? `; ${open} ratings are still missing.` : ".");
  });

  function restore(text) {
    const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/).filter((line) => line.trim());
    const separator = (lines[0] ?? "").includes(";") ? ";" : ",";
    const fields = (line) => line.split(separator).map((field) => field.trim().replace(/^"(.*)"$/, "$1"));
    const names = fields(lines[0] ?? "");
    if (COLUMNS.some((name) => !names.includes(name))) return "This is not a file that this form has saved.";
    const known = new Set(cells.map((cell) => cellOf(cell.item, cell.letter, cell.criterion)));
    const rows = lines.slice(1).map((line) => Object.fromEntries(fields(line).map((field, i) => [names[i], field])));
    if (rows.some((row) => row.study !== data.study)) return "This file belongs to another study; nothing was restored.";
    if (rows.some((row) => row.rater !== data.rater)) return "This file belongs to another rater; nothing was restored.";
    const good = rows.filter((row) => known.has(row.cell) && /^[1-5]$/.test(row.value));
    for (const row of good) ratings.set(row.cell, Number(row.value));
    return `${good.length} ratings restored` + (good.length < rows.length ? `, ${rows.length - good.length} rows without one.` : ".");
  }

  byId("restore").addEventListener("change", async (event) => {
    const file = event.target.files[0];
    if (!file) return;
    byId("message").textContent = restore(await file.text());
    event.target.value = "";
    show(shown, false);
  });

  load();
  show(shown, false);
})();
