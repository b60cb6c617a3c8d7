// What is wrong with the charts of a page as they are drawn, one line for each fault.
() => {
  const box = (element) => element.getBoundingClientRect();
  const overlap = (a, b) =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;

  function* faults(div) {
    const card = div.closest("section");
    const { xaxis, yaxis } = div.layout;
    if (!card?.querySelector(".card-title")?.textContent.trim()) yield "has no title";
    if (!xaxis?.title?.text || !yaxis?.title?.text) yield "has an axis without a title";
    if (!div.data.every((trace) => trace.hovertemplate || trace.hoverinfo === "skip")) yield "has no hover of its own";
    if (!card?.querySelector("table tbody tr")) yield "has no data as a table";
    const [legend, plot] = [div.querySelector(".legend"), div.querySelector(".nsewdrag")];
    if (legend && overlap(box(legend), box(plot))) yield "has its legend over the data";
    for (const axis of ["x", "y"]) {
      const labels = [...div.querySelectorAll(`.${axis}tick text`)].map(box);
      if (labels.some((each, place) => place && overlap(each, labels[place - 1]))) yield `has ${axis} ticks over each other`;
    }
  }

  return [...document.querySelectorAll(".chart")].flatMap((div) =>
    [...faults(div)].map((fault) => `${div.dataset.figure} ${fault}`)
  );
}
