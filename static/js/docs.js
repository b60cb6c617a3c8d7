// Swagger UI has a dark theme, but switches it by its own class.
document.addEventListener("themechange", (event) => {
  document.documentElement.classList.toggle("dark-mode", event.detail.theme === "dark");
});

// Swagger UI does not label its fields and its close button for screen readers, and the keyboard cannot scroll examples.
const NAMES = {
  ".body-param__text": "Request body",
  ".examples-select-element": "Example",
  ".close-modal": "Close",
};

function complete() {
  for (const row of document.querySelectorAll("tr[data-property-name], tr[data-param-name]")) {
    const { propertyName, paramName } = row.dataset;
    for (const entry of row.querySelectorAll("input:not([aria-label]), select:not([aria-label]), textarea:not([aria-label])")) {
      entry.setAttribute("aria-label", propertyName ?? paramName);
    }
  }
  for (const [place, name] of Object.entries(NAMES)) {
    for (const entry of document.querySelectorAll(`${place}:not([aria-label])`)) entry.setAttribute("aria-label", name);
  }
  for (const example of document.querySelectorAll("pre.microlight:not([tabindex])")) example.tabIndex = 0;
}

document.addEventListener("DOMContentLoaded", () => {
  const page = document.getElementById("swagger-ui");
  new MutationObserver(complete).observe(page, { childList: true, subtree: true });
});
