(() => {
  const dialog = document.getElementById("confirm");
  const status = document.getElementById("status");

  function ask(question, action = "Continue") {
    dialog.querySelector("[data-question]").textContent = question;
    dialog.querySelector("[value=yes]").textContent = action;
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((answer) => {
      dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true });
    });
  }

  const confirmed = new WeakSet();

  // This listener uses the capture phase, so htmx only sees a form after it is confirmed.
  document.addEventListener(
    "submit",
    async (event) => {
      const form = event.target;
      if (!form.dataset.confirm || confirmed.delete(form)) return;
      event.preventDefault();
      event.stopPropagation();
      if (!(await ask(form.dataset.confirm, form.dataset.confirmAction))) return;
      confirmed.add(form);
      form.requestSubmit(event.submitter);
    },
    true,
  );

  document.addEventListener("htmx:confirm", async (event) => {
    if (!event.detail.question) return;
    event.preventDefault();
    if (await ask(event.detail.question)) event.detail.issueRequest(true);
  });

  const busy = (button, on) => {
    button.disabled = on;
    button.classList.toggle("btn-loading", on);
  };

  document.addEventListener("submit", (event) => {
    const { submitter: button, target: form } = event;
    if (!button || event.defaultPrevented || form.method === "dialog" || "noBusy" in form.dataset) return;
    // The browser leaves disabled buttons out of the data, so the button is disabled after the submission.
    setTimeout(() => busy(button, true));
  });

  addEventListener("pageshow", () => {
    document.querySelectorAll(".btn-loading").forEach((button) => busy(button, false));
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (!button) return;
    const text = button.dataset.copy ?? document.querySelector(button.dataset.copyFrom).textContent;
    try {
      await navigator.clipboard.writeText(text.trim());
      status.textContent = "Copied";
      button.classList.add("copied");
    } catch {
      status.textContent = "Could not copy. Select the text and copy it manually.";
    }
    setTimeout(() => {
      status.textContent = "";
      button.classList.remove("copied");
    }, 2000);
  });

  // A change in a part of a form may choose the option that the part belongs to.
  document.addEventListener("input", (event) => {
    const part = event.target.closest("[data-chooses]");
    if (part) document.querySelector(part.dataset.chooses).checked = true;
  });

  const dropzone = (event) => event.target.closest?.(".dropzone");

  document.addEventListener("change", (event) => {
    const file = dropzone(event) && event.target.files?.[0];
    if (!file) return;
    const size = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
    const [value, unit] = file.size < 1e6 ? [file.size / 1e3, "kB"] : [file.size / 1e6, "MB"];
    dropzone(event).querySelector("[data-file]").textContent = `${file.name} (${size.format(value)} ${unit})`;
  });

  for (const type of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(type, (event) => {
      const zone = dropzone(event);
      if (!zone) return;
      event.preventDefault();
      zone.classList.toggle("dropzone-over", type === "dragover");
      if (type !== "drop" || !event.dataTransfer.files.length) return;
      const input = zone.querySelector("input");
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }
})();
