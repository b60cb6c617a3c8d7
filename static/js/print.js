// A button with data-print opens the browser's dialog to print the page or to save it as PDF.
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});
