// The line between before and after: dragged with mouse or finger anywhere in the picture, or moved with arrow keys.
// Listens on what stays when a new picture is drawn. Up and down still scroll the page on a telephone.
(() => {
  if (document.documentElement.dataset.tfCompare) return;
  document.documentElement.dataset.tfCompare = "on";
  const both = (event) => event.target instanceof Element ? event.target.closest(".tf-both") : null;
  const show = (place, value) => {
    const range = place.querySelector(".tf-range");
    range.value = String(Math.min(100, Math.max(0, value)));
    range.setAttribute("aria-valuetext", `${range.value} % before`);
    place.style.setProperty("--at", `${range.value}%`);
  };
  let dragged = null;
  const follow = (event) => {
    const box = dragged.getBoundingClientRect();
    show(dragged, 100 * (event.clientX - box.left) / box.width);
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
  document.addEventListener("input", (event) => {
    const place = both(event);
    if (place) show(place, Number(event.target.value));
  });
})();
