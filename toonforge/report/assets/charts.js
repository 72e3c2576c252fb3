// Groups of charts under one row of controls: all share the x axis, its zoom, the scale and the smoothing.
//
//   toonforge.charts(element, {
//     axes: [{total: 750, epoch: 14 or null, times: [[steps], [seconds]]}],   one; or one a run that is compared
//     x: "steps",                             what the x axis shows first: "steps", "epochs" or "time"
//     spans: [{start, stop, label}],          which phases are active when, in steps of axes[0]; neighbours alternate
//     marks: [{step, label, kind}],           vertical lines; kind is "best", "resumed" or "warning"
//     groups: [{title, charts: [{
//       title, note, unit: "bytes" or null, log: true where the chart opens with a logarithmic scale,
//       smooth: true where smoothing applies, zero: true where the y axis begins at 0,
//       series: [{label, x: [steps], y: [value or null], mean: [[steps], [values]] where y is thinned,
//                 low: [..], high: [..] for a band, dash: true, colour: 1 to 9 or null, axis: 0, hidden: true}]}]}]
//   })
"use strict";
(function () {
  const make = toonforge.make;
  const SIGNS = { best: "★", resumed: "↻", warning: "▲" };
  const SMOOTHING = [0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1];

  toonforge.charts = function (root, data) {
    const all = { data: data, x: data.x || "steps", log: false, smoothing: 0, range: null, charts: [], root: root };
    const points = Math.max(0, ...data.groups.flatMap((g) => g.charts).filter((c) => c.smooth)
      .flatMap((c) => c.series).map((s) => s.x.length));
    all.smoothing = points > 200 ? 3 : 0;
    root.append(controls(all, points > 0));
    if ((data.marks || []).length) root.append(signs(data.marks));
    for (const group of data.groups) {
      if (group.title) root.append(make("h3", {}, group.title));
      const box = make("div", { class: "charts" });
      root.append(box);
      for (const chart of group.charts) all.charts.push(new Chart(all, chart, box));
    }
    const redraw = function () { for (const chart of all.charts) chart.draw(); };
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    window.addEventListener("beforeprint", redraw);
    redraw();
    return all;
  };

  // -- controls over all charts -----------------------------------------------------------------------------------

  function controls(all, smooths) {
    const axes = ["steps"];
    if (all.data.axes.every((axis) => axis.epoch)) axes.push("epochs");
    if (all.data.axes.every((axis) => timed(axis))) axes.push("time");
    if (!axes.includes(all.x)) all.x = "steps";
    const group = make("div", { class: "choices", role: "group", "aria-label": "Horizontal axis" });
    const buttons = axes.map((axis) => make("button", { type: "button", "aria-pressed": String(axis === all.x) }, axis));
    buttons.forEach(function (button, i) {
      button.addEventListener("click", function () {
        all.x = axes[i];
        all.range = null;
        buttons.forEach((other, j) => other.setAttribute("aria-pressed", String(i === j)));
        for (const chart of all.charts) chart.draw();
      });
    });
    if (axes.length > 1) group.append(...buttons);

    const log = make("input", { type: "checkbox" });
    log.addEventListener("change", function () {
      all.log = log.checked;
      for (const chart of all.charts) chart.draw();
    });

    const zoom = make("div", { class: "choices", role: "group", "aria-label": "Zoom" });
    const range = make("span", { class: "small", role: "status" });
    for (const [text, label, action] of [
      ["−", "Zoom out", () => all.zoom(2)], ["+", "Zoom in", () => all.zoom(0.5)],
      ["←", "Earlier", () => all.pan(-0.25)], ["→", "Later", () => all.pan(0.25)], ["all", "Show all", () => all.set(null)],
    ]) {
      const button = make("button", { type: "button", "aria-label": label }, text);
      button.addEventListener("click", action);
      zoom.append(button);
    }

    all.full = function () {
      const ends = all.data.axes.map((axis) => at(axis, axis.total, all.x));
      return [0, Math.max(...ends, 1e-9)];
    };
    all.set = function (wanted) {
      const [low, high] = all.full(), least = (high - low) / 2000;
      if (wanted) {
        let size = Math.min(high - low, Math.max(least, wanted[1] - wanted[0]));
        const start = Math.min(Math.max(low, wanted[0]), high - size);
        wanted = size >= (high - low) * 0.999 ? null : [start, start + size];
      }
      all.range = wanted;
      const ends = (wanted || []).map((end) => told(all.x === "steps" ? Math.round(end) : end, all.x));
      range.textContent = wanted ? all.x + " " + ends.join(" to ") : "";
      for (const chart of all.charts) chart.rescale();
    };
    all.zoom = function (factor, centre) {
      const [low, high] = all.range || all.full();
      const middle = centre === undefined ? (low + high) / 2 : centre;
      all.set([middle - (middle - low) * factor, middle + (high - middle) * factor]);
    };
    all.pan = function (share) {
      const [low, high] = all.range || all.full(), by = (high - low) * share;
      all.set([low + by, high + by]);
    };

    const bar = make("div", { class: "bar tools" }, [group, make("label", { class: "check" }, [log, "log scale"]), zoom]);
    if (smooths) {
      const slider = make("input", { type: "range", min: 0, max: SMOOTHING.length - 1, step: 1, value: all.smoothing });
      const word = make("span");
      const say = function () {
        const share = SMOOTHING[all.smoothing];
        word.textContent = share ? "smoothed over " + 100 * share + " %" : "not smoothed";
        slider.setAttribute("aria-valuetext", word.textContent + (share ? " of the run" : ""));
      };
      slider.addEventListener("input", function () {
        all.smoothing = Number(slider.value);
        say();
        for (const chart of all.charts) chart.draw();
      });
      say();
      bar.append(make("label", { class: "slider" }, [word, slider]));
    }
    bar.append(range);
    return bar;
  }

  // What the signs in the charts mean: those that are there.
  function signs(marks) {
    const best = marks.find((mark) => mark.kind === "best");
    const words = { best: best ? best.label : "", resumed: "resumed", warning: "a warning begins" };
    const list = make("ul", { class: "signs", "aria-label": "Signs in the charts" });
    for (const kind of Object.keys(SIGNS)) {
      if (marks.some((mark) => mark.kind === kind)) {
        list.append(make("li", {}, [make("span", { class: "sign " + kind, "aria-hidden": "true" }, SIGNS[kind]), " " + words[kind]]));
      }
    }
    return list;
  }

  // -- one chart -----------------------------------------------------------------------------------------------------

  class Chart {
    constructor(all, chart, box) {
      this.all = all;
      this.chart = chart;
      this.hidden = new Set(chart.series.filter((s) => s.hidden));
      this.at = make("div", { class: "at" });
      this.plotted = make("div", {
        class: "plot", tabindex: "0", role: "group", "aria-roledescription": "chart",
        "aria-label": chart.title + ". Arrow keys read the values, plus and minus zoom, 0 shows all.",
      });
      this.keys = make("ul", { class: "keys" });
      this.spoken = make("div", { class: "unseen", "aria-live": "polite" });
      const title = make("figcaption", {}, make("h3", {}, chart.title));
      if (chart.note) title.append(make("span", { class: "small" }, chart.note));
      this.element = make("figure", { class: "chart" }, [title, this.plotted, this.at, this.keys, this.spoken]);
      box.append(this.element);
      this.plotted.addEventListener("keydown", (event) => this.key(event));
      this.touch();
      new ResizeObserver(() => this.resize()).observe(this.plotted);
    }

    get drawable() { return this.chart.series.filter((s) => s.x.length); }

    draw() {
      if (this.plot) this.plot.destroy();
      const all = this.all, style = getComputedStyle(document.documentElement);
      const colour = (name) => style.getPropertyValue("--" + name).trim();
      const ink = colour("faint"), grid = colour("grid"), share = SMOOTHING[all.smoothing];
      const smooth = share > 0 && this.chart.smooth;
      const positive = this.drawable.some((s) => s.y.some((y) => y > 0));
      const log = (all.log || this.chart.log) && positive;
      const keep = (values) => (log ? values.map((v) => (v > 0 ? v : null)) : values);
      const tables = [], lines = [{}], bands = [];
      this.columns = new Map();
      for (const [place, series] of this.chart.series.entries()) {
        if (!series.x.length) continue;
        const axis = all.data.axes[series.axis || 0], paint = colour("c" + (((series.colour || place + 1) - 1) % 9 + 1));
        const xs = series.x.map((step) => at(axis, step, all.x)), show = !this.hidden.has(series);
        const add = (x, y, line) => { tables.push([x, keep(y)]); lines.push({ show: show, auto: true, ...line }); return lines.length - 1; };
        const few = series.y.length <= 25;
        const columns = [];
        if (series.low) {
          const high = add(xs, series.high, { points: { show: false }, stroke: "transparent" });
          const low = add(xs, series.low, { points: { show: false }, stroke: "transparent" });
          bands.push({ series: [high, low], fill: paint + "26" });
          columns.push(high, low);
        }
        const faded = smooth && !series.dash && series.y.length > 3;
        const main = add(xs, series.y, {
          stroke: faded ? paint + "40" : paint, width: faded ? 1 : series.dash ? 1.5 : 1.75, dash: series.dash ? [7, 4] : undefined,
          points: { show: few && !series.dash, size: series.y.length === 1 ? 9 : 6, fill: paint, stroke: paint },
        });
        columns.push(main);
        if (faded) {
          const source = series.mean || [series.x, series.y];
          const values = smoothed(source[0], source[1], share * axis.total);
          columns.push(add(source[0].map((step) => at(axis, step, all.x)), values, { stroke: paint, width: 2, points: { show: false } }));
        }
        this.columns.set(series, { main: main, columns: columns, paint: paint });
      }
      this.empty = tables.length === 0;
      this.plotted.classList.toggle("hidden", this.empty);
      if (this.empty) { this.at.textContent = "nothing logged yet"; return; }
      this.values = tables.length > 1 ? uPlot.join(tables) : tables[0];
      const unit = this.chart.unit, font = "12px system-ui, sans-serif";
      const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: font };
      this.plot = new uPlot({
        width: Math.max(160, this.plotted.clientWidth), height: 230,
        padding: [all.data.spans && all.data.spans.length > 1 ? 20 : 8, 12, 0, 0],
        legend: { show: false },
        focus: { alpha: 1 },
        cursor: {
          drag: { x: true, y: false, setScale: false }, y: false, sync: { key: "toonforge", setSeries: false, scales: ["x", null] },
          points: { size: 7, one: false, show: (u, i) => this.pointed(i) },
        },
        scales: { x: { time: false, range: () => all.range || all.full() }, y: log ? { distr: 3, range: (u, low, high) => [(low || 1) / 1.15, (high || 1) * 1.15] } : this.chart.zero ? { range: (u, low, high) => [0, (high || 1) * 1.1] } : {} },
        axes: [
          { ...axis, size: 34, values: (u, splits) => splits.map((v) => told(v, all.x)), incrs: all.x === "time" ? TIMES : undefined },
          { ...axis, incrs: unit === "bytes" ? SIZES : undefined, size: (u, values) => 22 + 7.2 * Math.max(3, ...(values || []).map((v) => (v || "").length)),
            values: (u, splits) => splits.map((v) => short(v, unit)), ...(log ? { splits: (u, i, low, high) => decades(low, high), filter: (u, splits) => splits } : {}) },
        ],
        series: lines, bands: bands,
        hooks: {
          drawClear: [(u) => this.shade(u, colour("band"), ink)],
          draw: [(u) => this.mark(u, colour)],
          setCursor: [(u) => this.read(u)],
          setSelect: [(u) => {
            if (u.select.width < 4) return;
            all.set([u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")]);
            u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          }],
        },
      }, this.values, this.plotted);
      this.plot.over.addEventListener("dblclick", () => all.set(null));
      this.legend();
    }

    pointed(index) {
      for (const { main, paint } of this.columns.values()) {
        if (main === index) {
          const dot = make("div");
          dot.style.background = paint;
          return dot;
        }
      }
      return undefined;
    }

    // Which phases are active: every other span is shaded, each is named above.
    shade(u, band, ink) {
      const spans = this.all.data.spans || [];
      if (spans.length < 2) return;
      const axis = this.all.data.axes[0], { left, top, width, height } = u.bbox, ctx = u.ctx, ratio = devicePixelRatio || 1;
      ctx.save();
      ctx.font = 11 * ratio + "px system-ui, sans-serif";
      ctx.textBaseline = "alphabetic";
      ctx.textAlign = "left"; // what the axes leave behind is another
      spans.forEach((span, i) => {
        const from = Math.max(left, u.valToPos(at(axis, span.start, this.all.x), "x", true));
        const to = Math.min(left + width, u.valToPos(at(axis, span.stop, this.all.x), "x", true));
        if (to <= from) return;
        if (i % 2) {
          ctx.fillStyle = band;
          ctx.fillRect(from, top, to - from, height);
        }
        ctx.fillStyle = ink;
        const text = cut(ctx, span.label, to - from - 6 * ratio);
        ctx.fillText(text, from + 3 * ratio, top - 6 * ratio);
        if (i && from > left) ctx.fillRect(from, top - 14 * ratio, ratio, height + 14 * ratio);
      });
      ctx.restore();
    }

    // Lines where something happened.
    mark(u, colour) {
      const axis = this.all.data.axes[0], { left, top, width, height } = u.bbox, ctx = u.ctx, ratio = devicePixelRatio || 1;
      const paints = { best: colour("fine"), resumed: colour("faint"), warning: colour("look") };
      ctx.save();
      ctx.font = 12 * ratio + "px system-ui, sans-serif";
      ctx.textAlign = "center";
      const written = [];
      for (const mark of this.all.data.marks || []) {
        const x = u.valToPos(at(axis, mark.step, this.all.x), "x", true);
        if (x < left || x > left + width) continue;
        ctx.strokeStyle = ctx.fillStyle = paints[mark.kind];
        ctx.globalAlpha = 0.75;
        ctx.lineWidth = ratio;
        ctx.setLineDash([2 * ratio, 3 * ratio]);
        ctx.beginPath();
        ctx.moveTo(x, top);
        ctx.lineTo(x, top + height);
        ctx.stroke();
        ctx.globalAlpha = 1;
        // Signs that would lie on each other stand above each other; the same sign twice at one place is one.
        const near = written.filter((other) => Math.abs(other.x - x) < 13 * ratio);
        if (near.some((other) => other.kind === mark.kind && Math.abs(other.x - x) < 4 * ratio)) continue;
        let line = 0;
        while (near.some((other) => other.line === line)) line++;
        written.push({ x: x, line: line, kind: mark.kind });
        ctx.fillText(SIGNS[mark.kind], x, top + height - (3 + 14 * line) * ratio);
      }
      if (this.drawable.every((series) => this.lastIn(series) === null)) {
        ctx.fillStyle = colour("faint");
        ctx.fillText("nothing in this range", left + width / 2, top + height / 2);
      }
      ctx.restore();
    }

    // Where a curve's last value within the zoom is, in the table; where it only runs through, the one before; null
    // where nothing of it is seen.
    lastIn(series) {
      const xs = this.values[0], column = this.values[this.columns.get(series).main];
      const [low, high] = this.all.range || this.all.full();
      let before = null, after = false;
      for (let i = 0; i < xs.length; i++) {
        if (column[i] === null || column[i] === undefined) continue;
        if (xs[i] <= high) before = i;
        else { after = true; break; }
      }
      return before === null || (xs[before] < low && !after) ? null : before;
    }

    legend() {
      if (this.entries) return;
      this.entries = new Map();
      for (const series of this.drawable) {
        const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        svg.setAttribute("viewBox", "0 0 24 11");
        svg.setAttribute("aria-hidden", "true");
        const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
        line.setAttribute("d", "M0 5.5H24");
        line.setAttribute("stroke-width", "3");
        line.setAttribute("stroke", "currentColor");
        if (series.dash) line.setAttribute("stroke-dasharray", "6 4");
        svg.append(line);
        const place = this.chart.series.indexOf(series);
        svg.style.color = "var(--c" + (((series.colour || place + 1) - 1) % 9 + 1) + ")";
        const value = make("b");
        const button = make("button", { type: "button", "aria-pressed": String(!this.hidden.has(series)) }, [svg, series.label + " ", value]);
        button.addEventListener("click", () => {
          const off = !this.hidden.has(series);
          if (off) this.hidden.add(series); else this.hidden.delete(series);
          button.setAttribute("aria-pressed", String(!off));
          for (const column of this.columns.get(series).columns) this.plot.setSeries(column, { show: !off });
        });
        this.keys.append(make("li", {}, button));
        this.entries.set(series, value);
      }
      this.read(this.plot);
    }

    // The values under the cursor, or the last ones.
    read(u) {
      if (!this.entries) return;
      const index = u.cursor.idx, here = index !== null && index !== undefined && u.cursor.left >= 0;
      const x = here ? this.values[0][index] : null;
      this.at.textContent = here ? this.where(x) : this.all.range ? "last values in this range:" : "last values:";
      const spoken = [];
      let empty = true;
      for (const [series, value] of this.entries) {
        const { main } = this.columns.get(series);
        const column = this.values[main];
        const last = this.lastIn(series), found = here && last !== null ? nearest(column, index) : last;
        empty = empty && last === null;
        value.textContent = found === null ? "–" : short(column[found], this.chart.unit, 4);
        if (!this.hidden.has(series)) spoken.push(series.label + " " + value.textContent);
      }
      if (empty && !here) this.at.textContent = "nothing in this range";
      this.said = [this.at.textContent, ...spoken].join(", ");
    }

    where(x) {
      const axis = this.all.data.axes[0];
      if (this.all.data.axes.length > 1) return this.all.x + " " + told(x, this.all.x);
      const step = Math.round(back(axis, x, this.all.x)), parts = ["step " + step.toLocaleString("en")];
      if (axis.epoch) parts.push("epoch " + short(step / axis.epoch, null, 3));
      if (timed(axis)) parts.push(told(at(axis, step, "time"), "time"));
      return parts.join(" · ");
    }

    rescale() {
      if (!this.plot || this.empty) return;
      this.plot.setData(this.values, true);
      this.read(this.plot);
    }

    resize() {
      const width = this.plotted.clientWidth;
      if (this.plot && !this.empty && width > 0 && Math.abs(width - this.plot.width) > 1) this.plot.setSize({ width: width, height: 230 });
    }

    key(event) {
      if (this.empty || !this.plot || event.target !== this.plotted) return;
      const u = this.plot, xs = this.values[0], [low, high] = this.all.range || this.all.full();
      const inside = xs.map((x, i) => i).filter((i) => xs[i] >= low && xs[i] <= high);
      if (!inside.length) return;
      const stride = event.shiftKey ? Math.max(1, Math.round(inside.length / 10)) : Math.max(1, Math.round(inside.length / 200));
      const now = u.cursor.idx === null || u.cursor.idx === undefined || u.cursor.left < 0 ? null : inside.indexOf(u.cursor.idx);
      const go = (place) => {
        const index = inside[Math.max(0, Math.min(inside.length - 1, place))];
        u.setCursor({ left: u.valToPos(xs[index], "x"), top: 20 });
        this.spoken.textContent = this.said;
      };
      if (event.key === "ArrowLeft") go((now === null ? inside.length : now) - stride);
      else if (event.key === "ArrowRight") go((now === null ? -1 : now) + stride);
      else if (event.key === "Home") go(0);
      else if (event.key === "End") go(inside.length - 1);
      else if (event.key === "+" || event.key === "=") this.all.zoom(0.5, now === null || now < 0 ? undefined : xs[inside[now]]);
      else if (event.key === "-") this.all.zoom(2);
      else if (event.key === "0" || event.key === "Escape") this.all.set(null);
      else return;
      event.preventDefault();
    }

    // Two fingers zoom. One finger moves a zoomed chart, and reads the values of one that shows all.
    touch() {
      let began = null;
      const value = (x) => this.plot.posToVal(x - this.plot.over.getBoundingClientRect().left, "x");
      this.plotted.addEventListener("touchstart", (event) => {
        if (!this.plot || this.empty) return;
        const touches = [...event.touches].map((touch) => touch.clientX);
        began = { range: this.all.range || this.all.full(), values: touches.map(value), x: touches[0] };
        if (touches.length > 1) event.preventDefault();
      }, { passive: false });
      this.plotted.addEventListener("touchmove", (event) => {
        if (!began || !this.plot) return;
        const box = this.plot.over.getBoundingClientRect();
        const touches = [...event.touches].map((touch) => touch.clientX - box.left);
        if (touches.length > 1 && began.values.length > 1) {
          event.preventDefault();
          const spread = touches[1] - touches[0];
          if (Math.abs(spread) < 8) return;
          const each = (began.values[1] - began.values[0]) / spread;
          if (each <= 0) return;
          const low = began.values[0] - touches[0] * each;
          this.all.set([low, low + each * box.width]);
        } else if (touches.length === 1 && began.values.length === 1) {
          if (this.all.range) {
            const [low, high] = began.range, by = ((began.x - (touches[0] + box.left)) / box.width) * (high - low);
            this.all.set([low + by, high + by]);
          } else this.plot.setCursor({ left: touches[0], top: 20 });
        }
      }, { passive: false });
      this.plotted.addEventListener("touchend", () => { began = null; });
    }
  }

  // -- numbers -------------------------------------------------------------------------------------------------------

  const TIMES = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 432800, 864000];

  const SIZES = Array.from({ length: 40 }, (nothing, i) => 2 ** (i + 10));

  // Whether the log told times.
  function timed(axis) {
    return Boolean(axis.times) && axis.times[1].length > 1 && axis.times[1][axis.times[1].length - 1] > 0;
  }

  // A step as the x axis shows it, and back.
  function at(axis, step, x) {
    if (x === "epochs") return step / axis.epoch;
    return x === "time" ? between(axis.times[0], axis.times[1], step) : step;
  }
  function back(axis, value, x) {
    if (x === "epochs") return value * axis.epoch;
    return x === "time" ? between(axis.times[1], axis.times[0], value) : value;
  }

  // Linear between known points, and beyond the last ones at their pace.
  function between(xs, ys, x) {
    let low = 0, high = xs.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] <= x) low = middle; else high = middle;
    }
    const size = xs[high] - xs[low];
    return size > 0 ? ys[low] + ((ys[high] - ys[low]) * (x - xs[low])) / size : ys[low];
  }

  // An exponential average over about so many steps to either side, so that it does not lag; gaps stay gaps.
  function smoothed(xs, ys, window) {
    const sums = new Array(ys.length).fill(0), weights = new Array(ys.length).fill(0);
    for (const forward of [true, false]) {
      let sum = 0, weight = 0, before = null;
      for (let n = 0; n < ys.length; n++) {
        const i = forward ? n : ys.length - 1 - n;
        if (ys[i] === null) continue;
        const apart = before === null ? window : Math.abs(xs[i] - before), keep = Math.exp((-2 * apart) / window);
        before = xs[i];
        sum = keep * sum + (1 - keep) * ys[i];
        weight = keep * weight + (1 - keep);
        sums[i] += sum;
        weights[i] += weight;
      }
    }
    return ys.map((y, i) => (y === null ? null : sums[i] / weights[i]));
  }

  function nearest(column, index) {
    for (let away = 0; away < column.length; away++) {
      for (const i of [index - away, index + away]) {
        if (i >= 0 && i < column.length && column[i] !== null && column[i] !== undefined) return i;
      }
    }
    return null;
  }

  function short(value, unit, digits) {
    if (value === null || value === undefined) return "–";
    if (unit === "bytes") return value >= 2 ** 30 ? (value / 2 ** 30).toFixed(2) + " GiB" : Math.round(value / 2 ** 20) + " MiB";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(digits ? digits - 1 : 2).replace(/\.?0+e/, "e").replace("e+", "e").replace("-", "−");
    return String(Number(value.toPrecision(digits || 5))).replace("-", "−");
  }

  // Where a logarithmic axis has its lines: 1, 2 and 5 of each decade, fewer over many, evenly spaced within a part of one.
  function decades(low, high) {
    const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
    const heads = last - first > 4 ? [1] : [1, 2, 5], found = [];
    const stride = Math.max(1, Math.ceil((last - first) / 8));
    for (let power = first; power <= last; power += stride) for (const head of heads) found.push(Number(head + "e" + power));
    const within = found.filter((v) => v >= low && v <= high);
    if (within.length >= 3) return within;
    const rough = (high - low) / 4, size = 10 ** Math.floor(Math.log10(rough));
    const step = size * [1, 2, 5, 10].find((times) => times * size >= rough), lines = [];
    for (let i = Math.ceil(low / step); i * step <= high; i++) lines.push(Number((i * step).toPrecision(6)));
    return lines;
  }

  function told(value, x) {
    if (x !== "time") return value >= 1e4 ? Number((value / 1e3).toPrecision(4)) + " k" : String(Number(value.toPrecision(4)));
    const whole = Math.round(value), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60, two = (n) => String(n).padStart(2, "0");
    return hours ? hours + ":" + two(minutes) + ":" + two(whole % 60) : minutes + ":" + two(whole % 60);
  }

  function cut(ctx, text, room) {
    if (ctx.measureText(text).width <= room) return text;
    for (let size = text.length - 1; size > 1; size--) {
      const piece = text.slice(0, size) + "…";
      if (ctx.measureText(piece).width <= room) return piece;
    }
    return "";
  }
})();
