// What pages do besides htmx: dialogs, the palette, shortcuts, copying, the theme. No inline handlers, no eval; everything
// hangs on attributes: data-opens="id" data-closes data-copies="text" data-dismisses data-keys="g v" data-nav-toggle
// data-reveals data-value-place data-hides="seconds" data-filters="table-id" data-submits data-once data-looks="id"
// data-downloads data-focuses="id" data-prints.
"use strict";

(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const TOAST_MS = 6000;

  // --- toasts ------------------------------------------------------------------------------------------------------

  function age(toast) {
    if (toast.dataset.tone === "bad" || toast.dataset.aging) return;
    toast.dataset.aging = "yes";
    setTimeout(() => toast.matches(":hover, :focus-within") || toast.remove(), TOAST_MS);
  }

  function say(text, tone = "good") {
    const toast = document.createElement("div");
    toast.className = "toast-note";
    toast.dataset.tone = tone;
    const words = document.createElement("p");
    words.textContent = text;
    toast.append(words);
    $("#toasts").append(toast);
    age(toast);
  }

  // --- dialogs and the palette -------------------------------------------------------------------------------------

  function open(id) {
    const dialog = document.getElementById(id);
    if (!dialog || dialog.open) return;
    dialog.showModal();
    if (id === "palette") openPalette(dialog);
  }

  const loadPalette = () => $("#palette-list").dispatchEvent(new CustomEvent("keyway:open"));

  function openPalette(dialog) {
    const field = $("input", dialog);
    field.value = "";
    loadPalette();
    narrow(dialog);
    field.focus();
  }

  const options = (dialog) => all('a[role="option"]', dialog).filter((option) => !option.hidden);

  function narrow(dialog) {
    const words = $("input", dialog).value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const option of all("[data-words]", dialog)) option.hidden = !words.every((word) => option.dataset.words.includes(word));
    for (const group of all('[role="group"]', dialog)) group.hidden = !$('a[role="option"]:not([hidden])', group);
    const nothing = $("[data-nothing]", dialog);
    if (nothing) nothing.hidden = options(dialog).length > 0;
    choose(dialog, 0);
  }

  let looking = 0;

  // Of very many vaults the list has only the first: what is typed is looked for on the server too.
  function look(dialog) {
    const field = $("input", dialog);
    const group = $("[data-looked-for]", dialog);
    clearTimeout(looking);
    if (!group || group.dataset.lookedFor === field.value) return;
    looking = setTimeout(() => field.dispatchEvent(new CustomEvent("keyway:look")), 150);
  }

  function choose(dialog, index) {
    const found = options(dialog);
    const chosen = found.length ? found[(index + found.length) % found.length] : null;
    for (const option of found) option.setAttribute("aria-selected", String(option === chosen));
    const field = $("input", dialog);
    if (chosen) field.setAttribute("aria-activedescendant", chosen.id);
    else field.removeAttribute("aria-activedescendant");
    chosen?.scrollIntoView({ block: "nearest" });
  }

  function paletteKey(event, dialog) {
    const found = options(dialog);
    const at = found.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown") choose(dialog, at + 1);
    else if (event.key === "ArrowUp") choose(dialog, at - 1);
    else if (event.key === "Enter") found[at]?.click();
    else return;
    event.preventDefault();
  }

  // --- shortcuts ---------------------------------------------------------------------------------------------------

  let before = "";
  let forgetting = 0;
  const typing = (element) => element.closest?.("input, textarea, select, [contenteditable]");

  function shortcut(event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      return open("palette");
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || $("dialog[open]")) return;
    if (event.key === "/") {
      event.preventDefault();
      return open("palette");
    }
    if (event.key === "?") return open("shortcuts");
    const pressed = `${before} ${event.key}`.trim();
    const link = all("[data-keys]").find((one) => one.dataset.keys === pressed || one.dataset.keys === event.key);
    if (link) return link.click();
    before = event.key;
    clearTimeout(forgetting);
    forgetting = setTimeout(() => { before = ""; }, 1200);
  }

  // --- theme, copying, the sidebar of small screens ----------------------------------------------------------------

  function toggleTheme() {
    const root = document.documentElement;
    const dark = root.classList.contains("dark") || (!root.classList.contains("light") && matchMedia("(prefers-color-scheme: dark)").matches);
    root.classList.toggle("dark", !dark);
    root.classList.toggle("light", dark);
    document.cookie = `keyway_theme=${dark ? "light" : "dark"}; path=/; max-age=31536000; samesite=lax; secure`;
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      keepClipboard();
      say("Copied");
    } catch {
      say("The browser did not allow copying", "bad");
    }
  }

  // --- values: shown on demand, gone by themselves -----------------------------------------------------------------

  const CLIPBOARD_MS = 30000;

  function hide(place) {
    const back = place.closest("td, li")?.querySelector("[data-reveals]");
    const held = place.contains(document.activeElement);
    place.replaceChildren();
    if (back) back.hidden = false;
    if (held) back?.focus();
  }

  const hideAll = () => all("[data-value-place]").filter((place) => place.firstElementChild).forEach(hide);

  function watchValues() {
    for (const shown of all("[data-hides]:not([data-watched])")) {
      const place = shown.parentElement;
      shown.dataset.watched = "yes";
      const button = place.closest("td, li")?.querySelector("[data-reveals]");
      if (button) button.hidden = true;
      $("[data-hides-now]", shown).focus();
      setTimeout(() => shown.isConnected && hide(place), Number(shown.dataset.hides) * 1000);
    }
  }

  // Browsers let a page write to the clipboard only while somebody looks at it: who is elsewhere when the time is over finds
  // it emptied on coming back. What was copied meanwhile from this page is not ours to empty.
  let clearing = 0;

  async function clearClipboard() {
    try {
      await navigator.clipboard.writeText("");
    } catch {
      addEventListener("focus", clearClipboard, { once: true });
    }
  }

  function keepClipboard() {
    clearTimeout(clearing);
    removeEventListener("focus", clearClipboard);
  }

  async function copyValue(button) {
    try {
      await navigator.clipboard.writeText($("pre", button.closest(".revealed")).textContent);
      say("Copied; the clipboard is emptied in 30 seconds");
      keepClipboard();
      clearing = setTimeout(clearClipboard, CLIPBOARD_MS);
    } catch {
      say("The browser did not allow copying", "bad");
    }
  }

  // --- the filter of a table ---------------------------------------------------------------------------------------

  function filter(form) {
    const rows = all("[data-words]", document.getElementById(form.dataset.filters));
    const query = $('input[type="search"]', form).value;
    const kind = $('select[name="show"]', form)?.value;
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) row.hidden = !words.every((word) => row.dataset.words.includes(word)) || Boolean(kind && !row.dataset.kinds.split(" ").includes(kind));
    const left = rows.filter((row) => !row.hidden).length;
    $("[data-filter-count]", form).textContent = `${left} of ${rows.length} keys`;
    $("[data-filter-empty]").hidden = left > 0;
    const address = new URL(location.href);
    for (const [name, value] of [["q", query], ["show", kind]]) {
      if (value) address.searchParams.set(name, value);
      else address.searchParams.delete(name);
    }
    history.replaceState(history.state, "", address);
  }

  // What was looked at is another thing once a field of its form is.
  function forgetLook(field) {
    const form = field.closest("[data-looks]");
    if (form && !field.closest(`#${form.dataset.looks}`)) document.getElementById(form.dataset.looks).replaceChildren();
  }

  // A part that was exchanged says which of its buttons the keyboard was on.
  function refocus() {
    for (const part of all("[data-focuses]")) {
      document.getElementById(part.dataset.focuses)?.focus();
      part.removeAttribute("data-focuses");
    }
  }

  function showNav(shown) {
    document.body.classList.toggle("nav-open", shown);
    $("[data-nav-toggle]")?.setAttribute("aria-expanded", String(shown));
    if (shown) $("#side button")?.focus();
  }

  // --- one listener for each kind of event -------------------------------------------------------------------------

  const CLICKS = {
    "data-opens": (element) => open(element.dataset.opens),
    "data-closes": (element) => element.closest("dialog").close(),
    "data-dismisses": (element) => element.closest(".toast-note").remove(),
    "data-copies": (element) => copy(element.dataset.copies),
    "data-copies-value": copyValue,
    "data-hides-now": (element) => hide(element.closest("[data-value-place]")),
    "data-theme-toggle": toggleTheme,
    "data-nav-toggle": () => showNav(!document.body.classList.contains("nav-open")),
    "data-nav-close": () => showNav(false),
    "data-prints": () => print(),
  };

  document.addEventListener("click", (event) => {
    for (const [name, act] of Object.entries(CLICKS)) {
      const element = event.target.closest?.(`[${name}]`);
      if (element) return act(element);
    }
    // Where `closedby` is not known yet: a click beside a dialog hits the dialog itself.
    if (event.target.matches?.('dialog[closedby="any"]')) event.target.close();
  });
  document.addEventListener("keydown", (event) => {
    const palette = $("#palette");
    if (palette?.open && palette.contains(event.target)) paletteKey(event, palette);
    if (event.key === "Escape") hideAll();
    if (event.key === "Escape" && document.body.classList.contains("nav-open")) {
      showNav(false);
      return $("[data-nav-toggle]").focus();
    }
    shortcut(event);
  });
  document.addEventListener("input", (event) => {
    forgetLook(event.target);
    if (event.target.closest("#palette")) {
      narrow($("#palette"));
      look($("#palette"));
    }
    const form = event.target.matches('input[type="search"]') && event.target.closest("[data-filters]");
    if (form) filter(form);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
    else if (event.target.matches("[data-filters] select")) filter(event.target.form);
    forgetLook(event.target);
  });
  document.addEventListener("copy", keepClipboard);
  document.addEventListener("visibilitychange", () => { if (document.hidden) hideAll(); });
  addEventListener("pagehide", () => {
    hideAll();
    // What is shown once does not wait in the browser's memory for the way back.
    all("[data-once]").forEach((place) => place.replaceChildren());
  });
  document.addEventListener("submit", (event) => {
    if (event.target.matches("[data-search]")) event.preventDefault();
    else if (event.target.matches("[data-downloads]")) event.target.closest("dialog")?.close();
    // A form is sent once.
    else if (event.target.method === "post") queueMicrotask(() => all('button[type="submit"]', event.target).forEach((button) => { button.disabled = true; }));
  });
  // Back from the browser's own memory: a page that was left is asked for again, so that nothing old is shown.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  document.addEventListener("htmx:before:request", () => document.body.classList.add("busy"));
  document.addEventListener("htmx:finally:request", () => {
    document.body.classList.remove("busy");
    all('form[hx-post] button[type="submit"]').forEach((button) => { button.disabled = false; });
  });
  // A key that is pressed while the page still loads comes before htmx listens; what was loaded is not loaded again.
  document.addEventListener("htmx:after:process", () => { if ($("#palette")?.open) loadPalette(); });
  document.addEventListener("htmx:after:swap", () => {
    all(".toast-note").forEach(age);
    watchValues();
    refocus();
    if ($("#palette")?.open) {
      narrow($("#palette"));
      look($("#palette"));
    }
  });
  all(".toast-note").forEach(age);
  // On a narrow screen the tab of this page may be further along its bar.
  for (const tab of all(".tabs-line [aria-current]")) tab.parentElement.scrollLeft = tab.offsetLeft - tab.parentElement.offsetLeft - 64;
})();
