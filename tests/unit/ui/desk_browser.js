// Opens pages of the desk in Chromium. Arguments: a JSON document {modules, chromium, profile, origin, token, paths}.
// Prints {problems: [...]}: console errors, requests elsewhere, what axe-core finds serious, pages wider than the screen.
const fs = require("fs");
const given = JSON.parse(process.argv[2]);
const { chromium } = require(given.modules + "/playwright-core");
const axe = fs.readFileSync(given.modules + "/axe-core/axe.min.js", "utf8");
const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

async function main() {
  const problems = [];
  let checked = 0;
  for (const colorScheme of ["light", "dark"]) for (const width of [390, 1440]) {
    const context = await chromium.launchPersistentContext(`${given.profile}/${colorScheme}-${width}`, {
      executablePath: given.chromium, args: flags, colorScheme, viewport: { width, height: 900 } });
    const page = await context.newPage();
    const say = (what) => problems.push(`${page.url()} ${colorScheme} ${width}: ${what}`);
    page.on("console", (message) => { if (["error", "warning"].includes(message.type())) say(message.text()); });
    page.on("pageerror", (error) => say(String(error)));
    page.on("request", (request) => {
      if (!request.url().startsWith(given.origin + "/") && !request.url().startsWith("data:")) say(request.url());
    });
    await page.goto(`${given.origin}/?token=${given.token}`);
    for (const path of given.paths) {
      await page.goto(given.origin + path);
      if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) say("wider than the screen");
      await page.keyboard.press("Tab");
      if (await page.evaluate(() => document.activeElement.className) !== "skip") say("Tab does not begin at the top");
      await page.evaluate(axe);
      const found = await page.evaluate("axe.run(document)");
      checked += found.passes.length;
      for (const one of found.violations) {
        if (["serious", "critical"].includes(one.impact)) say(`${one.id} ${one.nodes[0].html}`);
      }
    }
    await context.close();
  }
  console.log(JSON.stringify({ problems, checked }));
}
main().catch((error) => { console.error(error); process.exit(1); });
