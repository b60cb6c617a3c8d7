// A button with data-print opens the browser's own dialog to print the page, or to keep it as PDF.
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});
