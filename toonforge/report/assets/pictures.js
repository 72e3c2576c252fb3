// Pictures of a run: each is held once and shown as a piece of a strip; a slider over training steps; an enlarged view.
"use strict";
var toonforge = {};
(function () {
  // What a page's script reads: the JSON of the element that render_page wrote.
  toonforge.data = function (id) {
    return JSON.parse(document.getElementById("data-" + id).textContent);
  };

  // An element with attributes, and children: texts or elements.
  toonforge.make = function (tag, attributes, children) {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
    }
    for (const child of [].concat(children === undefined ? [] : children)) element.append(child);
    return element;
  };
  const make = toonforge.make;

  // Pictures by number: [mime, base64] each. Decoded when first shown.
  toonforge.Store = class {
    constructor(pictures) {
      this.pictures = pictures;
      this.urls = new Map();
    }
    url(id) {
      if (!this.urls.has(id)) {
        const [mime, code] = this.pictures[id];
        const text = atob(code), bytes = new Uint8Array(text.length);
        for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
        this.pictures[id] = null;
        const url = URL.createObjectURL(new Blob([bytes], { type: mime }));
        const image = new Image();
        image.src = url;
        // What cannot be decoded is shown as an empty cell, not waited for.
        this.urls.set(id, { url: url, ready: image.decode().catch(function () {}) });
      }
      return this.urls.get(id);
    }
  };

  // Show a cell of a strip in an element of class "sprite": {picture, size: [w, h], row, rows, label}; null for none.
  // Where there are more device pixels than the picture has, its pixels stay sharp squares.
  toonforge.sprite = function (element, store, cell) {
    element.setAttribute("role", "img");
    const token = (element.shown = {});
    if (!cell || cell.picture === null || cell.picture < 0) {
      element.classList.add("none");
      element.style.backgroundImage = "none";
      element.textContent = cell && cell.missing ? cell.missing : "not drawn";
      element.setAttribute("aria-label", (cell ? cell.label + ": " : "") + "not drawn");
      return;
    }
    const held = store.url(cell.picture);
    element.setAttribute("aria-label", cell.label);
    held.ready.then(function () {
      if (element.shown !== token) return;
      element.classList.remove("none");
      element.textContent = "";
      element.style.setProperty("--ratio", cell.size[0] + " / " + cell.size[1]);
      element.style.backgroundImage = 'url("' + held.url + '")';
      element.style.backgroundSize = "100% " + 100 * cell.rows + "%";
      element.style.backgroundPosition = "0 " + (cell.rows > 1 ? (100 * cell.row) / (cell.rows - 1) : 0) + "%";
      element.natural = cell.size[0];
      sharpen(element);
      if (watcher) watcher.observe(element);
    });
  };
  function sharpen(element) {
    const shown = element.clientWidth * (window.devicePixelRatio || 1);
    element.classList.toggle("up", shown > element.natural);
  }
  const watcher = window.ResizeObserver
    ? new ResizeObserver(function (entries) { for (const entry of entries) sharpen(entry.target); })
    : null;

  // The state of a slider over steps: items are {step, label, best}; starts at the last one.
  toonforge.steps = function (items) {
    const listeners = [];
    let timer = null;
    const steps = {
      items: items,
      at: items.length - 1,
      get now() { return items[steps.at]; },
      get playing() { return timer !== null; },
      go: function (at) {
        const place = Math.max(0, Math.min(items.length - 1, at));
        if (place === steps.at) return;
        steps.at = place;
        steps.tell();
      },
      tell: function () { for (const listener of listeners) listener(steps); },
      listen: function (listener) { listeners.push(listener); listener(steps); },
      play: function (on) {
        clearInterval(timer);
        timer = null;
        if (on) {
          if (steps.at === items.length - 1) steps.at = 0;
          timer = setInterval(function () {
            if (steps.at >= items.length - 1) return steps.play(false);
            steps.go(steps.at + 1);
          }, 400);
        }
        steps.tell();
      },
      bind: function (element, id) { bind(steps, element, id); },
    };
    return steps;
  };

  // The controls of `steps`: back, play, on, the slider with the best step marked, and what is shown now.
  function bind(steps, element, id) {
    const last = steps.items.length - 1;
    const back = make("button", { type: "button", "aria-label": "Step before" }, "‹");
    const play = make("button", { type: "button", "aria-label": "Play" }, "▶");
    const on = make("button", { type: "button", "aria-label": "Next step" }, "›");
    const range = make("input", { type: "range", min: 0, max: last, step: 1, id: id, "aria-label": "Training step" });
    const now = make("span", { class: "now" });
    const ticks = make("div", { class: "ticks", "aria-hidden": "true" });
    const many = steps.items.length > 60;
    steps.items.forEach(function (item, at) {
      if (last === 0 || (many && !item.best)) return;
      const tick = make("i", { class: item.best ? "star" : null }, item.best ? "★" : "");
      tick.style.left = (100 * at) / last + "%";
      ticks.append(tick);
    });
    const controls = [back, play, on, make("div", { class: "slide" }, [range, ticks])];
    const best = steps.items.findIndex(function (item) { return item.best; });
    if (last > 0) element.append(...controls);
    element.append(now);
    const jump = make("button", { type: "button" }, "★ best");
    if (last > 0 && best >= 0) {
      jump.addEventListener("click", function () { steps.play(false); steps.go(best); });
      element.append(jump);
    }
    back.addEventListener("click", function () { steps.play(false); steps.go(steps.at - 1); });
    on.addEventListener("click", function () { steps.play(false); steps.go(steps.at + 1); });
    play.addEventListener("click", function () { steps.play(!steps.playing); });
    range.addEventListener("input", function () {
      const wanted = Number(range.value);
      steps.play(false);
      steps.go(wanted);
    });
    steps.listen(function () {
      const text = steps.now.label + (steps.now.best ? " ★ best" : "");
      range.value = steps.at;
      range.setAttribute("aria-valuetext", text);
      // Where the button says it, the words need not.
      now.textContent = last > 0 ? steps.now.label : text;
      jump.setAttribute("aria-pressed", String(Boolean(steps.now.best)));
      play.textContent = steps.playing ? "❚❚" : "▶";
      play.setAttribute("aria-label", steps.playing ? "Pause" : "Play");
      back.disabled = steps.at === 0;
      on.disabled = steps.at === last;
    });
  }

  // The enlarged view. `pictures` are {name, cells(step) -> [{word, ...cell}]}: what sprite() takes, with a word each.
  toonforge.Viewer = class {
    constructor(store, pictures, steps) {
      this.store = store;
      this.pictures = pictures;
      this.steps = steps;
      this.at = 0;
      this.title = make("h2", { id: "viewer-title" });
      this.about = make("div", { class: "small" });
      this.close = make("button", { type: "button", "aria-label": "Close" }, "✕");
      this.before = make("button", { type: "button", "aria-label": "Picture before" }, "←");
      this.after = make("button", { type: "button", "aria-label": "Next picture" }, "→");
      this.big = make("div", { class: "big", tabindex: "-1" });
      this.bar = make("div", { class: "bar" });
      this.dialog = make("dialog", { "aria-labelledby": "viewer-title" }, make("div", { class: "viewer" }, [
        make("div", { class: "title" }, [make("div", {}, [this.title, this.about]), this.before, this.after, this.close]), this.big, this.bar,
      ]));
      document.body.append(this.dialog);
      steps.bind(this.bar);
      this.close.addEventListener("click", () => this.dialog.close());
      this.before.addEventListener("click", () => this.show(this.at - 1));
      this.after.addEventListener("click", () => this.show(this.at + 1));
      this.dialog.addEventListener("keydown", (event) => this.key(event));
      this.dialog.addEventListener("close", () => { steps.play(false); if (this.from) this.from.focus(); });
      window.addEventListener("resize", () => this.draw());
      steps.listen(() => this.draw());
      let began = null;
      this.big.addEventListener("touchstart", (event) => { began = event.touches.length === 1 ? event.touches[0].clientX : null; }, { passive: true });
      this.big.addEventListener("touchend", (event) => {
        const moved = began === null ? 0 : event.changedTouches[0].clientX - began;
        if (Math.abs(moved) > 60) this.show(this.at + (moved < 0 ? 1 : -1));
      });
    }
    open(at, from) {
      this.from = from;
      this.dialog.showModal();
      this.show(at);
      this.big.focus();
    }
    show(at) {
      const count = this.pictures.length;
      this.at = (at + count) % count;
      this.draw();
    }
    key(event) {
      const slider = event.target.type === "range", keys = event.key;
      if (keys === "ArrowLeft" && !slider) this.show(this.at - 1);
      else if (keys === "ArrowRight" && !slider) this.show(this.at + 1);
      else if (keys === "ArrowUp" && !slider) this.steps.go(this.steps.at + 1);
      else if (keys === "ArrowDown" && !slider) this.steps.go(this.steps.at - 1);
      else return;
      event.preventDefault();
    }
    draw() {
      if (!this.dialog.open) return;
      const picture = this.pictures[this.at];
      const cells = picture.cells(this.steps.at), shown = cells.filter(function (cell) { return cell.size; });
      const width = Math.max(1, ...shown.map(function (cell) { return cell.size[0]; }));
      const height = Math.max(1, ...shown.map(function (cell) { return cell.size[1]; }));
      const scale = fit(this.big.clientWidth - 30, this.big.clientHeight - 8, cells.length, width, height);
      const times = scale * (window.devicePixelRatio || 1);
      const how = times >= 1 ? (times === 1 ? "pixel for pixel" : "each pixel " + Math.round(times) + " × " + Math.round(times)) : Math.round(100 * times) + " %";
      this.title.textContent = picture.name;
      this.about.textContent = this.at + 1 + " of " + this.pictures.length + " · " + width + " × " + height + ", " + how;
      // The elements stay from step to step, so that nothing flickers.
      while (this.big.children.length > cells.length) this.big.lastChild.remove();
      cells.forEach((cell, i) => {
        if (!this.big.children[i]) {
          this.big.append(make("span", { class: "stage" }, [make("span", { class: "sprite" }), make("span", { class: "word" })]));
        }
        const [sprite, word] = this.big.children[i].children;
        this.big.children[i].style.width = width * scale + "px";
        sprite.style.setProperty("--ratio", width + " / " + height);
        toonforge.sprite(sprite, this.store, cell);
        word.textContent = cell.word;
      });
    }
  };

  // CSS pixels a picture's pixel may take so that all cells have room: whole device pixels where it is one or more.
  function fit(width, height, count, w, h) {
    const gap = 10, word = 26, ratio = window.devicePixelRatio || 1;
    let best = 0;
    for (let columns = 1; columns <= count; columns++) {
      const lines = Math.ceil(count / columns);
      best = Math.max(best, Math.min((width - gap * (columns - 1)) / (columns * w), (height - lines * (word + gap)) / (lines * h)));
    }
    const times = best * ratio;
    return times >= 1 ? Math.floor(times) / ratio : Math.max(best, 0.05);
  }
})();
