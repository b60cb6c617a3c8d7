// Draws each <div class="chart" data-figure="ID"> from the figure in <script type="application/json" id="ID">.
// The server sends the data and layout; colours and fonts come from the page's CSS variables.
(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function template() {
    const axis = {
      gridcolor: css("--chart-grid"),
      linecolor: css("--chart-grid"),
      zerolinecolor: css("--chart-grid"),
      automargin: true,
      // There is room for all labels, and looking for cut ones would take half of the time of a chart.
      ticklabeloverflow: "allow",
      // invisible ticks keep a distance between the axis and its labels
      ticks: "outside", ticklen: 6, tickcolor: "rgba(0,0,0,0)",
      title: { standoff: 12 },
    };
    const sequential = [[0, css("--chart-low")], [1, css("--chart-1")]];
    return {
      data: { heatmap: [{ colorscale: sequential }] },
      layout: {
        colorway: [1, 2, 3, 4, 5, 6, 7, 8].map((n) => css(`--chart-${n}`)),
        colorscale: { sequential },
        font: { family: css("--chart-font"), size: 12, color: css("--chart-text") },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        hoverlabel: {
          bgcolor: css("--chart-surface"),
          bordercolor: css("--chart-grid"),
          font: { family: css("--chart-font"), color: css("--chart-text") },
        },
        // The legend is placed relative to the chart's edge. Relative to the plot, it would cover data beside a wide axis.
        legend: { orientation: "h", xref: "container", yref: "container", yanchor: "top", x: 0, y: 1, traceorder: "normal" },
        margin: { t: 24, r: 24, b: 48, l: 56 },
        // Long labels are rotated by 90 degrees, because Plotly leaves out the last one if they are slanted.
        xaxis: { ...axis, autotickangles: [0, 90] },
        yaxis: axis,
      },
    };
  }

  // Figures may have colours such as "var(--chart-3)", which are replaced because Plotly cannot read CSS variables.
  const resolve = (key, value) =>
    typeof value === "string" ? value.replace(/^var\((--[\w-]+)\)$/, (_, name) => css(name)) : value;

  const channels = (colour) => colour.match(/[^#]{2}/g).map((part) => parseInt(part, 16));

  // Plotly's own two greys are hard to read on some cells; one of these two colours is readable on every shade.
  function inkOn(share) {
    const [low, high] = ["--chart-low", "--chart-1"].map((name) => channels(css(name)));
    const [red, green, blue] = low
      .map((part, place) => (part + share * (high[place] - part)) / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.19 ? "#111" : "#fff";
  }

  const written = ({ texttemplate, z, text, textfont }) =>
    !texttemplate ? [] : z.flatMap((row, y) => row.map((share, x) => (
      { x, y, text: text[y][x], showarrow: false, font: { ...textfont, color: inkOn(share) } }
    )));

  function draw(div) {
    const source = document.getElementById(div.dataset.figure);
    if (!source) return;
    const figure = JSON.parse(source.textContent, resolve);
    const annotations = figure.data.filter(({ type }) => type === "heatmap").flatMap(written);
    const layout = { ...figure.layout, annotations, template: template(), autosize: true };
    const data = figure.data.map((trace) => (trace.type === "heatmap" ? { ...trace, texttemplate: "" } : trace));
    const config = {
      responsive: true,
      displaylogo: false,
      staticPlot: "static" in div.dataset,
      // Its bar of tools would cover the data; the button below the chart saves it.
      displayModeBar: false,
    };
    const isNew = !div.classList.contains("js-plotly-plot");
    Plotly.react(div, data, layout, config);
    if (isNew) div.dispatchEvent(new Event("chartdrawn", { bubbles: true }));
  }

  const isInView = (div) => div.getBoundingClientRect().bottom > 0 && div.getBoundingClientRect().top < innerHeight;
  const later = window.requestIdleCallback ?? ((work) => setTimeout(work, 10));
  // Charts in view are drawn at once; the others follow one by one, so they do not keep a reader waiting.
  function drawNew() {
    const waiting = [...document.querySelectorAll(".chart:not(.js-plotly-plot)")];
    waiting.filter(isInView).forEach(draw);
    const next = waiting.find((div) => !isInView(div) && document.getElementById(div.dataset.figure));
    if (next) later(() => { draw(next); drawNew(); });
  }

  const drawAll = () => document.querySelectorAll(".chart").forEach(draw);

  document.addEventListener("themechange", drawAll);
  matchMedia("print").addEventListener("change", drawAll);
  document.addEventListener("htmx:afterSwap", drawNew);
  document.addEventListener("htmx:beforeCleanupElement", (event) => {
    if (event.target.classList?.contains("js-plotly-plot")) Plotly.purge(event.target);
  });
  drawNew();
})();
