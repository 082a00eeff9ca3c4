// Draws the charts, keeps them in step with what htmx brings, and takes the theme at once.
// Every page works without it.
(() => {
  "use strict";

  const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  const drawn = new Map(); // element that is drawn in -> { plot, text }

  const fixed = (value, digits) =>
    value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const short = (value) => Number(value.toPrecision(3)).toLocaleString("en-GB");

  const UNITS = {
    count: (v) => fixed(v, v % 1 ? 1 : 0),
    share: (v) => `${short(v * 100)}%`,
    us: (v) => (v < 1000 ? `${short(v)} µs` : v < 1e6 ? `${short(v / 1e3)} ms` : `${short(v / 1e6)} s`),
    psi: (v) => short(v),
    score: (v) => fixed(v, 3),
    rate: (v) => (v > 0 && v < 1 ? `${short(v * 60)}/min` : `${short(v)}/s`),
  };

  const two = (number) => String(number).padStart(2, "0");
  const utc = (seconds) => new Date(seconds * 1000);
  const moment = (seconds, step) => {
    const at = utc(seconds);
    const day = `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
    const time = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
    return step && step < 60 ? `${time}:${two(at.getUTCSeconds())}` : `${day} ${time}`;
  };

  // Colours come from the style sheet, so that they follow the theme.
  const colours = (host) => {
    const probe = document.createElement("i");
    probe.hidden = true;
    host.append(probe);
    const read = (name) => {
      probe.className = name;
      return getComputedStyle(probe).color;
    };
    const found = {
      tones: [0, 1, 2, 3, 4, 5, 6].map((tone) => read(`tone-${tone}`)),
      grid: read("tone-grid"),
      text: read("tone-text"),
      mark: read("tone-mark"),
    };
    probe.remove();
    return found;
  };

  const withAlpha = (colour, alpha) => {
    const parts = colour.match(/[\d.]+/g);
    return parts ? `rgba(${parts[0]}, ${parts[1]}, ${parts[2]}, ${alpha})` : colour;
  };

  // Bars that stand on each other are drawn from the whole down to the first.
  const stacked = (series) => {
    const sums = [];
    return series.map((one) => {
      if (one.look !== "stack") return one.values;
      return one.values.map((value, at) => {
        if (value === null && sums[at] === undefined) return null;
        sums[at] = (sums[at] || 0) + (value || 0);
        return sums[at];
      });
    });
  };

  const seriesOptions = (one, colour, bars, isTime) => {
    const stroke = colour;
    switch (one.look) {
      case "bar":
      case "stack": {
        const size = bars > 1 ? 0.42 : 0.8;
        const align = bars > 1 ? (one.place ? 1 : -1) : isTime ? 1 : 0;
        return {
          stroke, width: 0, fill: one.pale ? withAlpha(colour, 0.45) : colour,
          paths: uPlot.paths.bars({ size: [size, 64, 1], align, gap: bars > 1 ? 0 : 1 }),
          points: { show: false },
        };
      }
      case "limit":
        return { stroke, width: 1.5, dash: [5, 4], points: { show: false } };
      case "reference":
        return { stroke, width: 1.5, dash: [2, 3], points: { show: false } };
      default:
        return { stroke, width: 1.75, points: { show: one.isSparse, size: 5, fill: colour } };
    }
  };

  const shading = (marks, colour) => ({
    hooks: {
      drawClear: (u) => {
        for (const [, since, until] of marks) {
          const left = Math.max(u.valToPos(since, "x", true), u.bbox.left);
          const right = Math.min(u.valToPos(until, "x", true), u.bbox.left + u.bbox.width);
          if (right <= left && (left > u.bbox.left + u.bbox.width || right < u.bbox.left)) continue;
          u.ctx.fillStyle = withAlpha(colour, 0.13);
          u.ctx.fillRect(left, u.bbox.top, Math.max(right - left, 2), u.bbox.height);
          u.ctx.fillStyle = colour;
          u.ctx.fillRect(left, u.bbox.top, 1.5 * devicePixelRatio, u.bbox.height);
        }
      },
    },
  });

  const legend = (figure, drawing, at) => {
    const unit = UNITS[drawing.unit];
    const place = figure.querySelector(".chart-at");
    if (place) {
      place.textContent =
        at === null ? "" : drawing.labels ? drawing.labels[at] : `${moment(drawing.x[at], drawing.step)} UTC`;
    }
    figure.querySelectorAll(".legend-value").forEach((cell, index) => {
      const value = at === null ? null : drawing.series[index].values[at];
      cell.textContent = at === null ? "" : value === null || value === undefined ? "–" : unit(value);
    });
  };

  const draw = (figure) => {
    const host = figure.querySelector(".plot");
    const source = figure.querySelector("script[type='application/json']");
    if (!host || !source || !window.uPlot) return;
    const before = drawn.get(host);
    const width = Math.floor(host.clientWidth);
    if (!width) return;
    const theme = getComputedStyle(document.documentElement).colorScheme + document.documentElement.dataset.theme;
    const key = `${theme}${width}`;
    if (before && before.text === source.textContent && before.key === key) return;
    const drawing = JSON.parse(source.textContent);
    const values = stacked(drawing.series);
    const isTime = !drawing.labels;
    const bars = drawing.series.filter((one) => one.look === "bar").length;
    let place = 0;
    const paint = colours(host);
    const options = drawing.series.map((one, at) => {
      const colour = paint.tones[one.look === "limit" ? 5 : one.tone] || paint.tones[1];
      const isSparse = values[at].filter((value) => value !== null).length < 40;
      const shown = { ...one, isSparse, place: one.look === "bar" ? place++ : 0, pale: one.tone === 0 };
      return { label: one.label, spanGaps: false, ...seriesOptions(shown, colour, bars, isTime) };
    });
    // a stack is drawn from its whole: the last of them first
    const order = drawing.series.map((_, at) => at);
    order.sort((a, b) => {
      const [first, second] = [drawing.series[a].look === "stack", drawing.series[b].look === "stack"];
      return first && second ? b - a : second - first;
    });
    const data = [drawing.x, ...order.map((at) => values[at])];
    const unit = UNITS[drawing.unit];
    const font = "11px system-ui, sans-serif";
    const axis = { stroke: paint.text, font, grid: { stroke: paint.grid, width: 1 }, ticks: { show: false } };
    const highest = Math.max(0, ...values.flat().filter((value) => value !== null));
    const isWhole = drawing.unit === "count";
    const built = {
      width,
      height: parseInt(getComputedStyle(host).minHeight, 10) || 180,
      legend: { show: false },
      padding: [8, isTime ? 20 : 8, 0, 0],
      tzDate: (seconds) => uPlot.tzDate(utc(seconds), "Etc/UTC"),
      cursor: {
        y: false, points: { show: false }, drag: { x: false, y: false },
      },
      plugins: drawing.marks.length ? [shading(drawing.marks, paint.mark)] : [],
      hooks: { setCursor: [(u) => legend(figure, drawing, u.cursor.idx ?? null)] },
      scales: {
        x: isTime
          ? { time: true, range: (u, low, high) => [low, Math.max(high, low + 1) + (drawing.series.some((one) => one.look === "stack" || one.look === "bar") ? drawing.step : 0)] }
          : { time: false, range: () => [-0.6, drawing.x.length - 0.4] },
        y: drawing.is_log && highest > 0
          ? { distr: 3, log: 10 }
          : { range: (u, low, high) => [0, drawing.unit === "share" && high > 0.85 ? 1 : (high || 1) * 1.08] },
      },
      axes: [
        isTime
          ? { ...axis, grid: { show: false }, space: 70, size: (u, texts) => (texts?.some((text) => text.includes("\n")) ? 38 : 26), values: timeValues }
          : {
              ...axis, grid: { show: false }, size: 26, space: 62,
              splits: () => drawing.x,
              values: (u, splits) => binValues(drawing.labels, splits, u.width),
            },
        {
          ...axis, size: 58, space: 34, incrs: isWhole ? WHOLE : undefined,
          ...(drawing.is_log ? { grid: { ...axis.grid, filter: decades }, filter: decades } : {}),
          values: (u, splits) => splits.map((one) => (one === null ? "" : unit(one))),
        },
      ],
      series: [{}, ...order.map((at) => options[at])],
    };
    if (before) before.plot.destroy();
    const plot = new uPlot(built, data, host);
    drawn.set(host, { plot, text: source.textContent, key });
  };

  const WHOLE = [1, 2, 5].flatMap((first) => [...Array(9).keys()].map((power) => first * 10 ** power)).sort((a, b) => a - b);

  const timeValues = (u, splits, axisIndex, space, step) => {
    let last = "";
    return splits.map((one) => {
      const at = utc(one);
      const day = `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
      if (step >= 86400) return day;
      const seconds = step < 60 ? `:${two(at.getUTCSeconds())}` : "";
      const time = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}${seconds}`;
      const text = day === last ? time : `${time}\n${day}`;
      last = day;
      return text;
    });
  };

  const decades = (u, splits) => splits.map((one) => (Number.isInteger(Math.round(Math.log10(one) * 1e6) / 1e6) ? one : null));

  const binValues = (labels, splits, width) => {
    const longest = Math.max(...labels.map((label) => label.length)) * 6.2 + 8;
    const every = Math.max(1, Math.ceil((longest * labels.length) / Math.max(width - 70, 1)));
    return splits.map((_, at) => (at % every ? "" : labels[at]));
  };

  const drawAll = () => {
    for (const [host, { plot }] of drawn) {
      if (!host.isConnected) {
        plot.destroy();
        drawn.delete(host);
      }
    }
    document.querySelectorAll("figure.chart").forEach(draw);
  };

  // The theme: kept in a cookie that the server reads too, so that no page flashes.
  const takeTheme = (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.matches(".theme")) return;
    const chosen = event.submitter && event.submitter.value;
    if (!chosen) return;
    event.preventDefault();
    const isSystem = chosen === "system";
    const secure = location.protocol === "https:" ? "; secure" : "";
    const age = isSystem ? 0 : 31536000;
    document.cookie = `kingpost-theme=${isSystem ? "" : chosen}; path=/; max-age=${age}; samesite=lax${secure}`;
    if (isSystem) delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    form.querySelectorAll("button").forEach((button) =>
      button.setAttribute("aria-pressed", String(button.value === chosen)));
    drawAll();
  };

  const say = (isLost) => {
    const notice = document.getElementById("offline");
    if (notice) notice.hidden = !isLost;
  };

  let waiting = 0;
  const later = () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(drawAll);
  };

  const begin = () => {
    const nav = document.querySelector(".nav");
    const here = nav && nav.querySelector("[aria-current]");
    if (here) nav.scrollLeft = here.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
    drawAll();
    new ResizeObserver(later).observe(document.body);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
    document.addEventListener("submit", takeTheme);
    // an open page asks for nothing while nobody looks at it
    document.addEventListener("htmx:config:request", (event) => {
      if (document.hidden && event.target.closest("[data-refreshed]")) event.preventDefault();
    });
    document.addEventListener("htmx:after:swap", () => { say(false); drawAll(); });
    document.addEventListener("htmx:error", () => say(true));
    // forms are sent once
    document.addEventListener("submit", (event) => {
      if (event.defaultPrevented || event.target.method !== "post") return;
      const all = [...event.target.elements].filter((one) => one instanceof HTMLButtonElement);
      setTimeout(() => all.forEach((one) => { one.disabled = true; }));
    });
    addEventListener("pageshow", (event) => {
      if (event.persisted) location.reload();
    });
    // a menu closes when the focus leaves it
    document.querySelectorAll("details.menu").forEach((menu) => {
      menu.addEventListener("focusout", (event) => {
        if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
      });
      menu.addEventListener("keydown", (event) => {
        if (event.key === "Escape") {
          menu.open = false;
          menu.querySelector("summary").focus();
        }
      });
    });
  };

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
