// axe.mjs BOOK [PAGE...]: asks axe about every page of the built book, light and dark, on a screen and on a phone; and
// about what opens in a page. What is not asked: print.html, which has the same text once more; toc.html, for those
// without JavaScript a list in a frame; 404.html, which finds its style only where the book is published.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, test } from "node:test";
import { chapter, launch, serve, shows, start, until } from "./reader.mjs";

const [book, ...asked] = process.argv.slice(2);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const { origin, close } = await serve(book);
const browser = await launch();
after(async () => {
    await browser.close();
    close();
});

const files = await readdir(book, { recursive: true });
const pages = files.filter((path) => path.endsWith(".html") && !/(print|toc|404)\.html$/.test(path)).sort();
assert(pages.some((path) => path.startsWith("zh-Hans/")), "both languages are there");

const screen = { width: 1280, height: 900 };
const phone = { width: 390, height: 844 };
async function open(path, viewport = screen) {
    const page = await browser.newPage();
    await page.setViewport(viewport);
    await page.goto(`${origin}/book/${path}`);
    return page;
}

// A page, or a frame of one. What is folded is looked at, too.
async function ask(page, when, options = {}) {
    await page.addScriptTag({ content: axe });
    const { violations } = await page.evaluate((options) => {
        for (const folded of document.querySelectorAll("details")) folded.open = true;
        return window.axe.run(document, options);
    }, options);
    const say = ({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${when}: ${id}: ${html}\n${failureSummary}`);
    assert.equal(violations.flatMap(say).join("\n\n"), "");
}
const theme = (page, name) => page.evaluate((name) => document.getElementById(`mdbook-theme-${name}`).click(), name);
async function dark(page, when) {
    await theme(page, "navy");
    await ask(page, `${when}, dark`, { runOnly: ["color-contrast"] }).finally(() => theme(page, "light"));
}

for (const path of asked.length ? asked : pages) {
    test(path, async () => {
        const page = await open(path);
        await ask(page, "on a screen");
        await dark(page, "on a screen");
        await page.setViewport(phone);
        await ask(page, "on a phone");
        await page.close();
    });
}

for (const [path, word] of [["step05-pid.html", "process"], ["zh-Hans/step05-pid.html", "进程"]]) {
    test(`what opens in ${path}`, async () => {
        const page = await open(path);
        await page.keyboard.press("?");
        await ask(page, "the help");
        await page.keyboard.press("Escape");
        await page.keyboard.press("/");
        await page.type("#mdbook-searchbar", word);
        await page.keyboard.press("End"); // for Chinese, the line before makes no key go up
        await until("results", () => page.$eval("#mdbook-searchresults", (list) => list.children.length > 3));
        await ask(page, "the search");
        await dark(page, "the search");
        await page.keyboard.press("Escape");
        await page.click("#mdbook-theme-toggle");
        await ask(page, "the themes");
        await page.close();
    });
    test(`what the Tab key reaches in ${path}`, async () => {
        const page = await open(path, phone);
        const missed = () => page.evaluate(() => {
            document.activeElement.wasReached = true;
            const all = "a[href], button, input, select, textarea, summary, [role=button], main pre > code";
            return [...document.querySelectorAll(all)].filter((element) => !element.wasReached
                && element.checkVisibility({ visibilityProperty: true })
                && (element.tagName !== "CODE" || element.scrollWidth > element.clientWidth)).map((one) => one.outerHTML);
        });
        const count = (await missed()).length;
        assert(count > 50, `${count} things to reach`);
        for (let i = 0; i < count + 10; i++) {
            await page.keyboard.press("Tab");
            if (!(await missed()).length) break;
        }
        assert.deepEqual(await missed(), []);
        await page.focus("#mdbook-menu-bar button");
        const sidebar = () => page.$eval("#mdbook-sidebar", (one) => one.checkVisibility() && one.getBoundingClientRect().x >= 0);
        assert.equal(await sidebar(), false);
        await page.keyboard.press("Enter");
        await until("the sidebar", sidebar);
        await page.close();
    });
    test(`the recording in ${path}`, async () => {
        const page = await open(path);
        await (await page.waitForSelector(".recording-button button")).click();
        await page.waitForSelector(".recording .ap-control-bar");
        await ask(page, "the recording");
        await dark(page, "the recording");
        await page.close();
    });
    test(`the machine in ${path}`, async () => {
        const page = await open(path);
        await start(page);
        await page.$eval("#machine .machine-buttons button:nth-of-type(2)", (key) => key.click());
        await shows(page, /laptop#$/, 1);
        await ask(page, "the machine");
        await ask(chapter(page), "its chapter");
        await theme(chapter(page), "navy");
        await ask(page, "the machine, dark", { runOnly: ["color-contrast"] });
        await theme(chapter(page), "light");
        await page.close();
    });
}
