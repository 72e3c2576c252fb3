// The page of one run: its validation pictures, its curves, and what its metrics drew.
"use strict";
(function () {
  const make = toonforge.make;
  const store = new toonforge.Store(toonforge.data("pictures"));
  const gallery = toonforge.data("gallery");

  if (gallery) {
    const steps = toonforge.steps(gallery.steps);
    steps.bind(document.getElementById("stepper"), "step");
    if (gallery.sheets) sheets(document.getElementById("gallery"), steps);
    else rows(document.getElementById("gallery"), steps);
  }
  toonforge.data("figures").forEach(function (figure, i) {
    const box = document.getElementById("figure-" + i), steps = toonforge.steps(figure.steps);
    const bar = make("div", { class: "bar", "aria-labelledby": "figure-title-" + i, role: "group" });
    bar.classList.add("inline");
    box.append(bar);
    steps.bind(bar);
    sheets(box, steps, figure.name);
  });
  toonforge.charts(document.getElementById("charts"), toonforge.data("curves"));

  // Whole pictures, one a step.
  function sheets(box, steps, name) {
    const image = make("img", { class: "whole" });
    box.append(image);
    steps.listen(function () {
      const held = store.url(steps.now.picture);
      held.ready.then(function () { image.src = store.url(steps.now.picture).url; });
      image.alt = [name || "validation grid", steps.now.label].filter(Boolean).join(", ");
    });
  }

  // A button a picture, with its stages side by side; each opens the enlarged view.
  function rows(box, steps) {
    const pictures = [], sprites = [];
    for (const translation of gallery.translations) {
      box.append(make("h3", {}, translation.field + " → " + translation.target));
      const list = make("div", { class: "rows" });
      const shown = Math.min(translation.size[0], 192) * Math.max(1, Math.floor(96 / translation.size[0]));
      const count = translation.stages.length;
      if (shown <= 150) {
        // Small pictures cannot fill more: their cards are as wide as they are.
        list.style.setProperty("--least", shown * count + 5.6 * (count - 1) + 14 + "px");
        list.style.setProperty("--most", "0px");
      } else list.style.setProperty("--least", 150 * count + 6 * count + "px");
      box.append(list);
      translation.names.forEach(function (name, row) {
        const place = pictures.length;
        pictures.push({ name: name, cells: (at) => cells(translation, row, at) });
        const stages = translation.stages.map(function (stage) {
          const sprite = make("span", { class: "sprite" }), word = make("span", { class: "word" }, called(stage));
          sprite.style.setProperty("--ratio", translation.size[0] + " / " + translation.size[1]);
          sprites.push({ sprite: sprite, translation: translation, row: row, stage: translation.stages.indexOf(stage) });
          const element = make("span", { class: "stage" }, [sprite, word]);
          element.style.setProperty("--w", shown + "px");
          return element;
        });
        const button = make("button", { type: "button", class: "stages", "aria-label": "Enlarge " + name }, stages);
        button.addEventListener("click", function () { viewer.open(place, button); });
        list.append(make("figure", { class: "row" }, [button, make("figcaption", {}, make("bdi", {}, name))]));
      });
    }
    const viewer = new toonforge.Viewer(store, pictures, steps);
    steps.listen(function () {
      for (const each of sprites) toonforge.sprite(each.sprite, store, cells(each.translation, each.row, steps.at)[each.stage]);
    });
  }

  function called(stage) {
    if (stage.stage === "reconstruction") return stage.label;
    return stage.label === stage.stage ? stage.stage : stage.stage + ": " + stage.label;
  }

  // What each stage of a picture shows at a step.
  function cells(translation, row, at) {
    const drawn = translation.at[at], place = drawn ? drawn.rows[row] : -1;
    return translation.stages.map(function (stage, i) {
      const picture = place >= 0 ? drawn.pictures[i] : null;
      return {
        word: called(stage),
        label: called(stage) + " of " + translation.names[row] + ", " + gallery.steps[at].label,
        picture: picture === undefined ? null : picture, row: place,
        size: drawn ? drawn.size : translation.size, rows: drawn ? drawn.count : 1,
      };
    });
  }
})();
