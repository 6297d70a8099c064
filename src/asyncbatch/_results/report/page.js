"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const NAME = 0, ID = 1, STATUS = 2, QUEUE = 3, DELAY = 4, RAN = 5, ATTEMPTS = 6,
    SUBMISSIONS = 7, EXIT = 8, VCPU = 9, COST = 10, KIND = 11, MESSAGE = 12, SEGMENTS = 13;
  const jobs = data.jobs;
  const $ = (id) => document.getElementById(id);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const ROW = 16, LABEL = 150, AXIS = 20, PAGE = 100;

  const duration = (seconds) => {
    if (seconds === null) return "";
    if (seconds < 60) return `${seconds.toFixed(1)} s`;
    const s = Math.round(seconds), pad = (n) => String(n).padStart(2, "0");
    return `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}`;
  };
  const clock = (seconds) =>
    new Date((data.start + seconds) * 1000).toISOString().slice(0, 19).replace("T", " ");
  const look = (list, index) => (index === null ? "" : list[index]);
  const reason = (job) => {
    const kind = look(data.kinds, job[KIND]), message = look(data.messages, job[MESSAGE]);
    return message.toLowerCase().startsWith(kind) ? message : `${kind}: ${message}`;
  };

  // -- which jobs, in which order ----------------------------------------------------------------

  const texts = jobs.map((job) =>
    [job[NAME], job[ID], look(data.queues, job[QUEUE]), reason(job)].join("\n").toLowerCase());
  let order = jobs.map((_, index) => index);
  let sorted = null, ascending = true, shown = PAGE;

  const choose = () => {
    const wanted = $("filter").value.toLowerCase(), status = $("status").value;
    order = [];
    jobs.forEach((job, index) => {
      if ((!status || job[STATUS] === status) && texts[index].includes(wanted)) order.push(index);
    });
    if (sorted !== null) {
      const key = sorted === MESSAGE ? reason
        : sorted === QUEUE ? (job) => look(data.queues, job[QUEUE]) : (job) => job[sorted];
      const keys = jobs.map(key), sign = ascending ? 1 : -1;
      order.sort((a, b) => {
        const x = keys[a], y = keys[b];
        if (x === y) return a - b;
        if (x === null || x === "") return 1;
        if (y === null || y === "") return -1;
        return (x < y ? -1 : 1) * sign;
      });
    }
    shown = PAGE;
    $("timeline").scrollTop = 0;
    table();
    timeline();
  };

  // -- the table ---------------------------------------------------------------------------------

  const cell = (row, text, kind) => {
    const td = row.insertCell();
    td.className = kind;
    const isolated = document.createElement("bdi");
    isolated.textContent = text;
    td.append(isolated);
    return td;
  };
  const number = (value) => (value === null ? "" : String(value));

  const table = () => {
    const body = $("rows");
    body.replaceChildren();
    for (const index of order.slice(0, shown)) {
      const job = jobs[index], row = body.insertRow();
      cell(row, job[NAME] || "?", "text");
      cell(row, job[STATUS], job[STATUS] === "SUCCEEDED" ? "good" : "bad");
      cell(row, reason(job), "reason");
      cell(row, duration(job[DELAY]), "number");
      cell(row, duration(job[RAN]), "number");
      cell(row, number(job[ATTEMPTS]), "number");
      cell(row, number(job[SUBMISSIONS]), "number");
      cell(row, number(job[EXIT]), "number");
      cell(row, job[VCPU] === null ? "" : job[VCPU].toFixed(3), "number");
      if (data.priced) cell(row, job[COST] === null ? "" : job[COST].toFixed(4), "number");
      cell(row, look(data.queues, job[QUEUE]), "text");
      cell(row, job[ID], "id");
    }
    const left = order.length - Math.min(shown, order.length);
    $("count").textContent = `${order.length.toLocaleString("en")} of ` +
      `${jobs.length.toLocaleString("en")} jobs`;
    $("more").hidden = left === 0;
    $("more").textContent = `Show ${Math.min(left, 5 * PAGE).toLocaleString("en")} more`;
  };

  // -- canvases ----------------------------------------------------------------------------------

  const prepare = (canvas, width, height) => {
    const scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    return context;
  };

  const fitted = (context, text, width) => {
    if (context.measureText(text).width <= width) return text;
    let end = text.length;
    while (end > 1 && context.measureText(`${text.slice(0, end)}…`).width > width) end -= 1;
    return `${text.slice(0, end)}…`;
  };

  const timeline = () => {
    const box = $("timeline"), canvas = $("bars"), width = box.clientWidth;
    const height = Math.min(AXIS + order.length * ROW, 400);
    $("space").style.height = `${Math.max(AXIS + order.length * ROW - height, 0)}px`;
    const context = prepare(canvas, width, height);
    const label = Math.min(LABEL, width * 0.3);
    const span = Math.max(data.end, 1), x = (t) => label + t / span * (width - label - 2);
    const colours = [colour("--wait"), colour("--run"), colour("--waste")];
    const first = Math.floor(box.scrollTop / ROW);
    const last = Math.min(first + Math.ceil((height - AXIS) / ROW), order.length);
    for (let place = first; place < last; place += 1) {
      const job = jobs[order[place]], y = AXIS + (place - first) * ROW;
      context.fillStyle = colour(job[STATUS] === "SUCCEEDED" ? "--text" : "--bad");
      context.fillText(fitted(context, job[NAME] || job[ID], label - 8), 0, y + ROW / 2);
      const parts = job[SEGMENTS];
      for (let i = 0; i < parts.length; i += 3) {
        context.fillStyle = colours[parts[i]];
        const from = x(parts[i + 1]), to = x(parts[i + 2]);
        const thin = parts[i] === 0 ? 4 : 1;
        context.fillRect(from, y + 1 + thin, Math.max(to - from, 1), ROW - 2 - 2 * thin);
      }
    }
    context.fillStyle = colour("--card");
    context.fillRect(0, 0, width, AXIS);
    context.fillStyle = colour("--dim");
    const ticks = Math.max(Math.floor((width - label) / 150), 2);
    for (let tick = 0; tick < ticks; tick += 1) {
      const t = span * tick / (ticks - 1);
      context.textAlign = tick === ticks - 1 ? "right" : tick === 0 ? "left" : "center";
      context.fillText(clock(t).slice(11), x(t), AXIS / 2);
    }
    context.textAlign = "left";
  };

  const point = (event) => {
    const box = $("timeline"), y = event.clientY - $("bars").getBoundingClientRect().top;
    const index = order[Math.floor(box.scrollTop / ROW) + Math.floor((y - AXIS) / ROW)];
    if (y < AXIS || index === undefined) return;
    const job = jobs[index], parts = job[SEGMENTS];
    const from = parts.length ? `${clock(parts[1])} UTC, ` : "";
    $("readout").textContent = `${job[NAME] || "?"} (${job[ID]}): ${job[STATUS]}, ${from}` +
      `waited ${duration(job[DELAY]) || "?"}, ran ${duration(job[RAN]) || "?"}` +
      (job[SUBMISSIONS] > 1 ? `, ${job[SUBMISSIONS]} submissions` : "") +
      (reason(job) ? `, ${reason(job)}` : "");
  };

  const scatter = () => {
    const canvas = $("points");
    if (!canvas) return;
    const width = canvas.parentElement.clientWidth - 32, height = 300, margin = 46;
    const context = prepare(canvas, width, height);
    const known = jobs.filter((job) => job[DELAY] !== null && job[RAN] !== null);
    const least = 0.5;
    const most = (field) => known.reduce((top, job) => Math.max(top, job[field]), 10 * least);
    const scale = (top, from, to) => (value) => from + (to - from) *
      Math.log(Math.max(value, least) / least) / Math.log(top / least);
    const tops = [most(DELAY), most(RAN)];
    const x = scale(tops[0], margin, width - 10), y = scale(tops[1], height - 34, 10);
    context.strokeStyle = colour("--line");
    context.fillStyle = colour("--dim");
    for (const seconds of [1, 10, 60, 600, 3600, 36000, 360000]) {
      const text = seconds < 60 ? `${seconds} s` : seconds < 3600 ? `${seconds / 60} min`
        : `${seconds / 3600} h`;
      context.beginPath();
      if (seconds <= tops[0]) {
        context.moveTo(x(seconds), 10);
        context.lineTo(x(seconds), height - 34);
        context.textAlign = "center";
        context.fillText(text, x(seconds), height - 24);
      }
      if (seconds <= tops[1]) {
        context.moveTo(margin, y(seconds));
        context.lineTo(width - 10, y(seconds));
        context.textAlign = "right";
        context.fillText(text, margin - 6, y(seconds));
      }
      context.stroke();
    }
    context.textAlign = "right";
    context.fillText("queue delay", width - 10, height - 8);
    context.textAlign = "left";
    context.fillText("run time", 0, 8);
    context.globalAlpha = known.length > 1000 ? 0.35 : 0.7;
    const good = colour("--run"), bad = colour("--waste");
    const dots = (style, wanted) => {
      context.fillStyle = style;
      for (const job of known) {
        if ((job[STATUS] === "SUCCEEDED") === wanted) {
          context.fillRect(x(job[DELAY]) - 2, y(job[RAN]) - 2, 4, 4);
        }
      }
    };
    dots(good, true);
    context.globalAlpha = 0.9;
    dots(bad, false); // few, so they are on top
    context.globalAlpha = 1;
  };

  // -- events ------------------------------------------------------------------------------------

  const draw = () => { timeline(); scatter(); };
  $("filter").addEventListener("input", choose);
  $("status").addEventListener("change", choose);
  $("more").addEventListener("click", () => { shown += 5 * PAGE; table(); });
  $("timeline").addEventListener("scroll", timeline);
  $("timeline").addEventListener("pointermove", point);
  $("timeline").addEventListener("pointerdown", point);
  window.addEventListener("resize", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  for (const head of document.querySelectorAll("th[data-key]")) {
    head.querySelector("button").addEventListener("click", () => {
      const key = Number(head.dataset.key);
      ascending = sorted === key ? !ascending : true;
      sorted = key;
      for (const other of document.querySelectorAll("th[data-key]")) {
        other.removeAttribute("aria-sort");
      }
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      choose();
    });
  }
  table();
  draw();
})();
