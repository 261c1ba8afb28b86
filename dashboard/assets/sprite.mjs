// One SVG with a <symbol> per name of icons.txt, from lucide's icons. Run by scripts/assets.
import { readFileSync, writeFileSync } from "node:fs";

const here = new URL(".", import.meta.url);
const names = readFileSync(new URL("icons.txt", here), "utf8").split("\n").filter(Boolean);
const symbols = names.map((name) => {
  const text = readFileSync(new URL(`node_modules/lucide-static/icons/${name}.svg`, here), "utf8");
  const inner = text.replace(/<!--.*?-->/gs, "").replace(/^\s*<svg[^>]*>|<\/svg>\s*$/gs, "").replace(/\s+/g, " ").trim();
  return `<symbol id="${name}" viewBox="0 0 24 24">${inner}</symbol>`;
});
writeFileSync(process.argv[2], `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("\n")}</svg>\n`);
