// The window on a drawing: moved and zoomed by hand, wheel, buttons and keys.
"use strict";

/** The window on a picture: dragged, zoomed with the wheel, buttons or keys. */
function viewport(picture, { width, height, focus, full }) {
  const view = { x: 0, y: 0, scale: 1 };
  const size = () => [picture.clientWidth || 600, picture.clientHeight || 300];
  const show = () => {
    const [wide, tall] = size();
    picture.setAttribute("viewBox", `${view.x} ${view.y} ${wide / view.scale} ${tall / view.scale}`);
  };
  const centre = (x, y, scale) => {
    const [wide, tall] = size();
    Object.assign(view, { scale, x: x - wide / scale / 2, y: y - tall / scale / 2 });
    show();
  };
  const whole = () => {
    const [wide, tall] = size();
    centre(width / 2, height / 2, Math.min(1, wide / width, tall / height));
  };
  const begin = () => {
    const [wide, tall] = size();
    // Small enough to see all, but never so small that names cannot be read.
    const scale = Math.min(1, wide / width, tall / height);
    if (scale >= 0.62 || !focus) centre(width / 2, height / 2, Math.max(scale, 0.25));
    else centre(focus.x + focus.width / 2, focus.y + Math.min(focus.height, tall) / 2, Math.max(0.72, scale));
    // No empty strip beside a picture that is wider or higher than the window.
    const kept = (at, shown, all) => (shown >= all ? (all - shown) / 2 : Math.min(Math.max(at, 0), all - shown));
    Object.assign(view, { x: kept(view.x, wide / view.scale, width), y: kept(view.y, tall / view.scale, height) });
    show();
  };
  const zoom = (factor, px, py) => {
    const [wide, tall] = size();
    const [x, y] = [px ?? wide / 2, py ?? tall / 2];
    const scale = Math.min(3, Math.max(0.05, view.scale * factor));
    view.x += x / view.scale - x / scale;
    view.y += y / view.scale - y / scale;
    view.scale = scale;
    show();
  };
  const move = (dx, dy) => {
    view.x -= dx / view.scale;
    view.y -= dy / view.scale;
    show();
  };
  let dragged = null;
  picture.addEventListener("pointerdown", (event) => {
    if (event.button === 0) dragged = { x: event.clientX, y: event.clientY, moved: 0 };
  });
  picture.addEventListener("pointermove", (event) => {
    if (!dragged || event.buttons === 0) return;
    const [dx, dy] = [event.clientX - dragged.x, event.clientY - dragged.y];
    dragged = { x: event.clientX, y: event.clientY, moved: dragged.moved + Math.abs(dx) + Math.abs(dy) };
    if (dragged.moved > 4 && !picture.hasPointerCapture(event.pointerId)) picture.setPointerCapture(event.pointerId);
    move(dx, dy);
  });
  // What ends a drag is no click on a box.
  picture.addEventListener("click", (event) => {
    if (dragged && dragged.moved > 4) event.preventDefault();
    dragged = null;
  }, true);
  picture.addEventListener("dragstart", (event) => event.preventDefault());
  picture.addEventListener("wheel", (event) => {
    if (!full && !event.ctrlKey) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
  }, { passive: false });
  const keys = {
    ArrowLeft: () => move(60, 0), ArrowRight: () => move(-60, 0), ArrowUp: () => move(0, 60), ArrowDown: () => move(0, -60),
    "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: whole,
  };
  picture.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.target !== picture) return;
    event.preventDefault();
    keys[event.key]();
  });
  const button = (text, label, act) => h("button", { type: "button", "aria-label": label, title: label, onclick: () => act() }, text);
  const tools = h("div", { class: "tools" },
    button("+", "Zoom in", () => zoom(1.25)), button("−", "Zoom out", () => zoom(0.8)), button("⤢", "Show all", whole));
  const frame = h("div", { class: "graph" + (full ? " full" : "") }, picture, tools);
  if (!full) picture.style.height = Math.round(Math.min(460, Math.max(110, height))) + "px";
  // Its size is known once it stands in the page, and changes with the window.
  let seen = 0;
  new ResizeObserver(() => {
    const wide = picture.clientWidth;
    if (wide > 0 && wide !== seen) {
      seen = wide;
      begin();
    }
  }).observe(picture);
  return frame;
}
