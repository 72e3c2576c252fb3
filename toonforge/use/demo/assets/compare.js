// The line between before and after: dragged with mouse or finger anywhere in the picture, or moved with arrow keys, in
// all models' pictures at once. Listens on what stays when a new picture is drawn. Up and down scroll on a telephone.
(() => {
  if (document.documentElement.dataset.tfCompare) return;
  document.documentElement.dataset.tfCompare = "on";
  const both = (event) => (event.target instanceof Element ? event.target.closest(".tf-both") : null);
  let at = 50;
  let dragged = null;
  const draw = () => {
    for (const place of document.querySelectorAll(".tf-both")) {
      const range = place.querySelector(".tf-range");
      range.value = String(at);
      range.setAttribute("aria-valuetext", `${Math.round(at)} % before`);
      place.style.setProperty("--at", `${at}%`);
    }
  };
  const move = (value) => { at = Math.min(100, Math.max(0, value)); draw(); };
  const follow = (event) => {
    const box = dragged.getBoundingClientRect();
    move((100 * (event.clientX - box.left)) / box.width);
  };
  document.addEventListener("pointerdown", (event) => {
    const place = both(event);
    if (!place || event.button !== 0) return;
    dragged = place;
    place.querySelector(".tf-range").focus({ preventScroll: true });
    if (event.pointerType !== "touch") event.preventDefault();
    follow(event);
  });
  document.addEventListener("pointermove", (event) => { if (dragged) follow(event); });
  for (const over of ["pointerup", "pointercancel"]) document.addEventListener(over, () => { dragged = null; });
  document.addEventListener("input", (event) => { if (both(event)) move(Number(event.target.value)); });
  // A new picture gets the line where it was; the pictures to begin with get names, which Gradio gives them not.
  new MutationObserver((changes) => {
    if (!changes.some((change) => change.addedNodes.length)) return;
    if (at !== 50 && document.querySelector(`.tf-both:not([style*="--at"])`)) draw();
    for (const picture of document.querySelectorAll('.gallery-item img[alt=""]')) {
      picture.alt = decodeURIComponent(picture.src.split("/").pop()).replace(/\.\w+$/, "").replaceAll("-", " ");
      picture.closest("button")?.setAttribute("aria-label", picture.alt);
    }
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
