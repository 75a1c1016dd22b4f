//! Draws the PNG icons from the SVG ones: `CHROMIUM=/usr/bin/chromium node app/scripts/icons.mjs`.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const folder = fileURLToPath(new URL("../public/", import.meta.url));
const icons = [
  ["icon.svg", "icon-192.png", 192],
  ["icon.svg", "icon-512.png", 512],
  ["icon-maskable.svg", "icon-maskable-512.png", 512],
  ["icon-maskable.svg", "apple-touch-icon.png", 180],
];

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
for (const [from, to, size] of icons) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  const picture = `data:image/svg+xml;base64,${readFileSync(folder + from).toString("base64")}`;
  await page.setContent(`<style>*{margin:0;background:transparent}</style><img src="${picture}" width="${size}" height="${size}">`);
  await page.locator("img").evaluate((image) => image.decode());
  writeFileSync(folder + to, await page.screenshot({ omitBackground: true }));
  await page.close();
}
await browser.close();
