// compare.html: the same pictures by several runs, and their curves laid over each other.
"use strict";
(function () {
  const make = toonforge.make;
  const charts = toonforge.data("charts");
  if (charts) toonforge.charts(document.getElementById("charts"), charts);

  const gallery = toonforge.data("gallery");
  if (!gallery) return;
  const store = new toonforge.Store(toonforge.data("pictures"));
  const steps = toonforge.steps(gallery.steps);
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
    const least = columns.length > 4 ? 6.5 : 8, most = Math.max(10, Math.min(20, (size * 1.5) / 16));
    sides.style.gridTemplateColumns = "repeat(" + columns.length + ", minmax(" + least + "rem, " + most + "rem))";
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
    document.getElementById("gallery").append(make("div", { class: "gallery" }, [
      gallery.translations.length > 1 ? make("h3", {}, translation.field + " → " + translation.target) : "", box,
    ]));
  }
})();
