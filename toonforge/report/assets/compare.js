// compare.html: the same pictures by several runs, and their curves laid over each other.
"use strict";
(function () {
  const make = toonforge.make;
  const MOST = 448;  // pixels of the page that a picture takes at the most across
  const charts = toonforge.data("charts");
  if (charts) {
    const root = document.getElementById("charts");
    toonforge.charts(root, charts);
    // Losses that only one run has compare nothing: they are there for whoever asks.
    for (const title of root.querySelectorAll(":scope > h3")) {
      if (title.textContent !== charts.folded) continue;
      const box = title.nextElementSibling;
      const folded = make("details", {}, make("summary", {}, title.textContent + " (" + box.children.length + ")"));
      box.before(folded);
      folded.append(box);
      title.remove();
    }
  }

  // Whether the table of results is wider than its box.
  const table = document.querySelector(".results").parentElement;
  const sideways = function () {
    document.getElementById("sideways").classList.toggle("hidden", table.scrollWidth <= table.clientWidth + 1);
  };
  new ResizeObserver(sideways).observe(table);

  const gallery = toonforge.data("gallery");
  if (!gallery) return;
  const store = new toonforge.Store(toonforge.data("pictures"));
  const steps = toonforge.steps(gallery.steps);
  steps.at = gallery.first;  // the last pictures, as the numbers are of the last measurement
  steps.bind(document.getElementById("steps"));
  const viewed = [];
  const viewer = new toonforge.Viewer(store, viewed, steps);

  // A cell for sprite(): the row of a picture in one column at a moment.
  function cell(translation, column, row, moment) {
    const at = column.at[moment], label = translation.names[row] + ", " + column.word;
    if (!at || at.picture === null || at.rows[row] < 0) return { picture: null, label: label };
    return { picture: at.picture, size: at.size, row: at.rows[row], rows: at.count, label: label };
  }

  for (const translation of gallery.translations) {
    const columns = translation.columns;
    const sides = make("div", { class: "sides" });
    const size = Math.max(1, ...columns.map((column) => Math.max(...column.at.map((at) => (at ? at.size[0] : 1)))));
    const least = columns.length > 4 ? 104 : 128;
    columns.forEach(function (column, i) {
      const word = make("span", { class: column.stage === "output" ? "word" : "word plain" });
      if (column.stage === "output") word.append(make("i", { class: "mark c" + column.colour }));
      // A long name may be broken where its parts meet.
      word.append(make("bdi", {}, column.word.split(/(?<=[_,/])/).flatMap((part) => [part, make("wbr")])));
      if (i === 0) word.classList.add("pin");
      sides.append(word);
    });
    translation.names.forEach(function (name, row) {
      const place = viewed.length;
      const button = make("button", { type: "button", "aria-label": "Enlarge " + name });
      columns.forEach(function (column, i) {
        const sprite = make("span", { class: i === 0 ? "sprite pin" : "sprite" });
        button.append(sprite);
        steps.listen(function () { toonforge.sprite(sprite, store, cell(translation, column, row, steps.at)); });
      });
      button.append(make("span", { class: "name" }, name));
      button.addEventListener("click", function () { viewer.open(place, button); });
      sides.append(button);
      viewed.push({
        name: name,
        cells: function (moment) {
          return columns.map((column) => ({ ...cell(translation, column, row, moment), word: column.word }));
        },
      });
    });
    const box = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "to " + translation.target }, sides);
    // Cells as large as the room allows: whole multiples of a picture's pixels where that costs little of the room.
    const fit = function () {
      const style = getComputedStyle(sides), gap = parseFloat(style.columnGap) || 0;
      const room = box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 1;
      const each = Math.min(MOST, (room - gap * (columns.length - 1)) / columns.length);
      const whole = Math.floor(each / size) * size;
      const width = Math.max(least, whole > 0.8 * each ? whole : each);
      sides.style.gridTemplateColumns = "repeat(" + columns.length + ", " + Math.floor(width) + "px)";
    };
    new ResizeObserver(fit).observe(box);
    document.getElementById("gallery").append(make("div", { class: "gallery" }, [
      gallery.translations.length > 1 ? make("h3", {}, translation.field + " → " + translation.target) : "", box,
    ]));
  }
})();
