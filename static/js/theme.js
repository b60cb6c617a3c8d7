// This script runs in <head> before the first paint, so a dark page does not flash white.
(() => {
  const root = document.documentElement;
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const printing = matchMedia("print");
  const choices = ["auto", "light", "dark"];
  const names = { auto: "automatic", light: "light", dark: "dark" };

  const stored = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage may be disabled; the system's preference still works
    }
  };

  let choice = choices.includes(stored()) ? stored() : "auto";

  function show(theme) {
    if (root.dataset.bsTheme === theme) return;
    root.dataset.bsTheme = theme;
    document.dispatchEvent(new CustomEvent("themechange", { detail: { theme } }));
  }

  function apply() {
    root.dataset.themeChoice = choice;
    const screen = choice === "auto" ? (systemDark.matches ? "dark" : "light") : choice;
    show(printing.matches ? "light" : screen);
  }

  const next = () => choices[(choices.indexOf(choice) + 1) % choices.length];

  function label() {
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      button.title = `Theme: ${names[choice]}`;
      button.setAttribute("aria-label", `Theme: ${names[choice]}. Switch to ${names[next()]}.`);
    }
  }

  apply();
  systemDark.addEventListener("change", apply);
  printing.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", label);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    choice = next();
    try {
      localStorage.setItem("theme", choice);
    } catch {
      // Storage may be disabled; the choice then applies only to this page.
    }
    apply();
    label();
  });
})();
