// Brings the elements of the playground to life, on pages that have one. Without the playground
// beside the book, and without script, the tables inside them are what there is to see.

(() => {
  const names = ["layers", "diff", "overlay", "cache", "digest", "registry", "quiz", "playground"];
  const selector = names.map((name) => `coracle-${name}`).join(",");
  if (document.querySelector(selector)) {
    const here = document.currentScript.src;
    import(new URL("../../playground/widgets.js", here).href).catch(() => undefined);
  }
})();
