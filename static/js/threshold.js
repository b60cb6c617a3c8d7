// Shows what another threshold would mean. The slider's value is a position in the list of trials, which the server wrote.
(() => {
  const slider = document.getElementById("threshold");
  if (!slider) return;
  const trials = JSON.parse(document.getElementById("trials").textContent);
  const output = document.querySelector("output[for=threshold]");
  const sentences = document.getElementById("threshold-sentences");
  const own = slider.value;
  const field = document.querySelector("#decision [name=threshold]");

  slider.addEventListener("input", () => {
    const { threshold, sentences: lines } = trials[slider.value];
    output.textContent = threshold;
    slider.setAttribute("aria-valuetext", threshold);
    sentences.replaceChildren(...lines.map((line) => Object.assign(document.createElement("p"), { className: "mb-1", textContent: line })));
    if (field) field.value = threshold;
    document.getElementById("threshold-reset").hidden = slider.value === own;
  });
  document.getElementById("threshold-reset").addEventListener("click", () => {
    slider.value = own;
    slider.dispatchEvent(new Event("input"));
  });
})();
