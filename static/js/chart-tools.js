// Saves a chart as a file, and zooms all charts over time together.
(() => {
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-save-chart]");
    if (!button) return;
    const filename = button.dataset.saveChart;
    // Plotly renders PNG through a blob: image, which the Content-Security-Policy forbids.
    Plotly.downloadImage(document.querySelector(`[data-figure="${filename}"]`), { format: "svg", filename });
  });

  const isOverTime = (div) => div.layout?.xaxis?.type === "date";
  let isLinking = false;

  document.addEventListener("chartdrawn", ({ target }) => {
    if (!isOverTime(target)) return;
    target.on("plotly_relayout", async (change) => {
      const [from, until] = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (isLinking || (!from && !change["xaxis.autorange"])) return;
      isLinking = true;
      const others = [...document.querySelectorAll(".js-plotly-plot")].filter((div) => div !== target && isOverTime(div));
      const update = from ? { "xaxis.range": [from, until] } : { "xaxis.autorange": true };
      await Promise.all(others.map((div) => Plotly.relayout(div, update)));
      isLinking = false;
    });
  });
})();
