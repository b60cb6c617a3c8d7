// Swagger UI knows a dark theme, but takes it from a class of its own.
document.addEventListener("themechange", (event) => {
  document.documentElement.classList.toggle("dark-mode", event.detail.theme === "dark");
});

// It leaves fields in tables, its cross and long examples without what a screen reader and a keyboard need.
function complete() {
  for (const row of document.querySelectorAll("tr[data-property-name], tr[data-param-name]")) {
    const { propertyName, paramName } = row.dataset;
    for (const entry of row.querySelectorAll("input:not([aria-label]), select:not([aria-label]), textarea:not([aria-label])")) {
      entry.setAttribute("aria-label", propertyName ?? paramName);
    }
  }
  document.querySelector(".close-modal:not([aria-label])")?.setAttribute("aria-label", "Close");
  for (const example of document.querySelectorAll("pre.microlight:not([tabindex])")) example.tabIndex = 0;
}

document.addEventListener("DOMContentLoaded", () => {
  const page = document.getElementById("swagger-ui");
  new MutationObserver(complete).observe(page, { childList: true, subtree: true });
});
